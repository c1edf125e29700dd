//! Seeds that once found a bug in the real code. Each was seen to fail before its fix; where the
//! simulator has changed since, the seed is one that finds the same bug when the fix is taken out.
