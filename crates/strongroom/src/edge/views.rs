//! What handlers ask of the views and of the second state.

use std::sync::Arc;

use custody::idempotency::Idempotency;
use store::{Fault, ReadModel};

use super::{Edge, Problem};

impl Edge {
    /// Runs a query of the views on a thread that may block.
    pub(super) async fn list<T: Send + 'static>(
        &self,
        query: impl FnOnce(&ReadModel) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Problem> {
        if self.replica.has_failed() {
            let detail = "lists are rebuilt at the next start".to_owned();
            return Err(Problem::new("views-failed", 503, detail));
        }
        let replica = Arc::clone(&self.replica);
        let answer = tokio::task::spawn_blocking(move || query(&replica.lists)).await;
        answer.map_err(|error| Problem::fault(&error))?.map_err(|fault| Problem::fault(&fault))
    }

    /// What a request with this idempotency key made, however long ago: the core forgets keys for
    /// their age, the table does not. A key that is younger than the table is the core's to know.
    pub(super) async fn made_before(&self, asked: Idempotency) -> Result<Option<u64>, Problem> {
        let before = self.list(move |lists| lists.idempotent(&asked.key)).await?;
        Ok(before.map(|before| before.answer(&asked)).transpose()?)
    }
}
