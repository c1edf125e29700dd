//! The tables that lists are read from: which deposits, withdrawals and addresses an account has,
//! and in which order; which withdrawals are in which state. What each of them is now is asked of
//! the core, so that a list never contradicts it. And the idempotency keys that the core has
//! forgotten for their age.
//!
//! The projection replays the domain itself: it owns a second state, which also makes it the place
//! where snapshots are taken without stalling the core.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use custody::{Custody, Event, Touched, idempotency::Remembered};
use primitives::{AccountId, Outpoint, WithdrawalId};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::{Entry, Fault, Projection, ProjectionError, Readers};

/// The most rows of one page.
pub const PAGE_MAX: usize = 100;

/// The second replayer: the state after the last entry that the views have applied.
#[derive(Clone)]
pub struct Learner(Arc<Mutex<Custody>>);

impl Learner {
    /// Begins with the state after the entries that the views have applied already.
    #[must_use]
    pub fn new(state: Custody) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// The state. Nobody may hold it while entries are applied.
    pub fn state(&self) -> MutexGuard<'_, Custody> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Projection for Learner {
    fn name(&self) -> &'static str {
        "domain"
    }

    fn version(&self) -> u32 {
        3
    }

    fn create(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute_batch(
            "CREATE TABLE deposit (outpoint TEXT PRIMARY KEY, account TEXT, at INTEGER NOT NULL)
                 STRICT, WITHOUT ROWID;
             CREATE INDEX deposit_by_account ON deposit (account, at, outpoint);
             CREATE TABLE withdrawal (id TEXT PRIMARY KEY, account TEXT NOT NULL,
                 at INTEGER NOT NULL, status TEXT NOT NULL) STRICT, WITHOUT ROWID;
             CREATE INDEX withdrawal_by_account ON withdrawal (account, at, id);
             CREATE INDEX withdrawal_by_status ON withdrawal (status, at, id);
             CREATE TABLE idempotency (key BLOB PRIMARY KEY, fingerprint BLOB NOT NULL,
                 made INTEGER NOT NULL) STRICT, WITHOUT ROWID;
             CREATE TABLE address (account TEXT NOT NULL, place INTEGER NOT NULL,
                 script BLOB NOT NULL, PRIMARY KEY (account, place)) STRICT, WITHOUT ROWID;",
        )
    }

    fn apply(&self, transaction: &Transaction<'_>, entry: &Entry) -> Result<(), ProjectionError> {
        let mut state = self.state();
        if state.seq().checked_add(1) != Some(entry.seq) {
            // After a batch that was rolled back the state is ahead of the tables.
            return Err(format!("the learner stands at {}, not before it", state.seq()).into());
        }
        let record = &entry.record;
        let event = Event::decode(record.kind, record.version, &record.body)?;
        state.apply(record.at, &event)?;
        if let Event::AddressAssigned(assigned) = &event {
            let script = state.address(assigned.index).map(|address| address.script.clone());
            let insert = "INSERT OR REPLACE INTO address (account, place, script) VALUES (?, ?, ?)";
            let account = assigned.account.to_string();
            transaction.prepare_cached(insert)?.execute(params![
                account,
                assigned.index,
                script
            ])?;
        }
        if let Some((key, fingerprint, made)) = keyed(&event) {
            let insert = "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?)";
            transaction.prepare_cached(insert)?.execute(params![
                key,
                fingerprint,
                i64::try_from(made)?
            ])?;
        }
        let touched = state.take_touched();
        write(transaction, &state, &touched)?;
        Ok(())
    }
}

/// The idempotency key of the request that led to `event`, what it asked, and what it made.
fn keyed(event: &Event) -> Option<([u8; 32], [u8; 32], u64)> {
    let (asked, made) = if let Event::AccountOpened(opened) = event {
        (opened.idempotency?, opened.account.number())
    } else if let Event::AddressAssigned(assigned) = event {
        (assigned.idempotency?, u64::from(assigned.index))
    } else {
        return None;
    };
    Some((asked.key, asked.fingerprint, made))
}

fn write(
    transaction: &Transaction<'_>,
    state: &Custody,
    touched: &Touched,
) -> Result<(), ProjectionError> {
    let insert = "INSERT OR REPLACE INTO deposit (outpoint, account, at) VALUES (?, ?, ?)";
    for outpoint in &touched.deposits {
        let Some(deposit) = state.deposit(outpoint) else {
            // It never was in a block, and the core has forgotten it.
            let delete = "DELETE FROM deposit WHERE outpoint = ?";
            transaction.prepare_cached(delete)?.execute([outpoint.to_string()])?;
            continue;
        };
        let account = deposit.account.map(|account| account.to_string());
        let at = i64::try_from(deposit.seen_at.to_millis())?;
        let row = params![outpoint.to_string(), account, at];
        transaction.prepare_cached(insert)?.execute(row)?;
    }
    let insert = "INSERT OR REPLACE INTO withdrawal (id, account, at, status) VALUES (?, ?, ?, ?)";
    for id in &touched.withdrawals {
        let Ok(withdrawal) = state.withdrawal(*id) else { continue };
        let at = i64::try_from(withdrawal.requested_at.to_millis())?;
        let account = withdrawal.account.to_string();
        let row = params![id.to_string(), account, at, withdrawal.state.name()];
        transaction.prepare_cached(insert)?.execute(row)?;
    }
    Ok(())
}

/// Where the next page begins: after the row with this time and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageMark {
    /// The row's time, in milliseconds since 1970.
    pub at: i64,
    /// The row's key.
    pub key: String,
}

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<K> {
    /// The rows.
    pub rows: Vec<K>,
    /// Where the next page begins, if there is one.
    pub next: Option<PageMark>,
    /// The last journal entry that this page shows.
    pub applied: u64,
}

/// Indexes and scripts of addresses, and the last journal entry that they show.
pub type AddressPage = (Vec<(u32, Vec<u8>)>, u64);

/// Reads lists.
pub struct ReadModel {
    readers: Readers,
}

impl ReadModel {
    /// Reads with these connections.
    #[must_use]
    pub const fn new(readers: Readers) -> Self {
        Self { readers }
    }

    /// The last journal entry that the views show.
    ///
    /// # Errors
    ///
    /// [`Fault::Sqlite`].
    pub fn applied(&self) -> Result<u64, Fault> {
        self.readers.read(|_, applied| Ok(applied))
    }

    /// An account's withdrawals, newest first.
    ///
    /// # Errors
    ///
    /// [`Fault::Sqlite`].
    pub fn withdrawals(
        &self,
        account: AccountId,
        after: Option<&PageMark>,
        limit: usize,
    ) -> Result<Page<WithdrawalId>, Fault> {
        let sql = "SELECT at, id FROM withdrawal WHERE account = ?1 AND (at, id) < (?2, ?3)
             ORDER BY at DESC, id DESC LIMIT ?4";
        self.page(sql, &account.to_string(), after, limit)
    }

    /// Withdrawals in the state with this stable name, newest first.
    ///
    /// # Errors
    ///
    /// [`Fault::Sqlite`].
    pub fn withdrawals_in(
        &self,
        status: &str,
        after: Option<&PageMark>,
        limit: usize,
    ) -> Result<Page<WithdrawalId>, Fault> {
        let sql = "SELECT at, id FROM withdrawal WHERE status = ?1 AND (at, id) < (?2, ?3)
             ORDER BY at DESC, id DESC LIMIT ?4";
        self.page(sql, status, after, limit)
    }

    /// What a request with this idempotency key made, however long ago.
    ///
    /// # Errors
    ///
    /// [`Fault::Sqlite`].
    pub fn idempotent(&self, key: &[u8; 32]) -> Result<Option<Remembered>, Fault> {
        self.readers.read(|transaction, _| {
            let sql = "SELECT fingerprint, made FROM idempotency WHERE key = ?1";
            let row = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?));
            let found = transaction.prepare_cached(sql)?.query_row([key], row).optional()?;
            // Numbers of accounts and indexes are stored from what fits.
            Ok(found
                .map(|(fingerprint, made)| Remembered { fingerprint, made: made.unsigned_abs() }))
        })
    }

    /// An account's deposits, newest first.
    ///
    /// # Errors
    ///
    /// [`Fault::Sqlite`].
    pub fn deposits(
        &self,
        account: AccountId,
        after: Option<&PageMark>,
        limit: usize,
    ) -> Result<Page<Outpoint>, Fault> {
        let sql = "SELECT at, outpoint FROM deposit
             WHERE account = ?1 AND (at, outpoint) < (?2, ?3)
             ORDER BY at DESC, outpoint DESC LIMIT ?4";
        self.page(sql, &account.to_string(), after, limit)
    }

    /// An account's deposit addresses from this index on, oldest first: index and script. At most
    /// `limit`, and [`PAGE_MAX`].
    ///
    /// # Errors
    ///
    /// [`Fault::Sqlite`].
    pub fn addresses(
        &self,
        account: AccountId,
        from: u32,
        limit: usize,
    ) -> Result<AddressPage, Fault> {
        let limit = limit.clamp(1, PAGE_MAX);
        self.readers.read(|transaction, applied| {
            let sql = "SELECT place, script FROM address WHERE account = ?1 AND place >= ?2
                 ORDER BY place LIMIT ?3";
            let mut query = transaction.prepare_cached(sql)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = query.query_map(params![account.to_string(), from, limit], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            Ok((rows.collect::<Result<_, _>>()?, applied))
        })
    }

    fn page<K: std::str::FromStr>(
        &self,
        sql: &str,
        whose: &str,
        after: Option<&PageMark>,
        limit: usize,
    ) -> Result<Page<K>, Fault> {
        let limit = limit.clamp(1, PAGE_MAX);
        // One more than asked tells whether there is another page.
        let fetched = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
        let (at, key) = after.map_or((i64::MAX, "~"), |mark| (mark.at, mark.key.as_str()));
        self.readers.read(|transaction, applied| {
            let mut query = transaction.prepare_cached(sql)?;
            let found = query.query_map(params![whose, at, key, fetched], read_row)?;
            let mut found: Vec<(PageMark, K)> = found.collect::<Result<_, _>>()?;
            let more = found.len() > limit;
            found.truncate(limit);
            let next = found.last().filter(|_| more).map(|(mark, _)| mark.clone());
            let rows = found.into_iter().map(|(_, key)| key).collect();
            Ok(Page { rows, next, applied })
        })
    }
}

fn read_row<K: std::str::FromStr>(row: &Row<'_>) -> rusqlite::Result<(PageMark, K)> {
    let (at, key): (i64, String) = (row.get(0)?, row.get(1)?);
    let parsed = key.parse().map_err(|_| {
        let found = std::io::Error::other(format!("`{key}` is no id"));
        rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, found.into())
    })?;
    Ok((PageMark { at, key }, parsed))
}
