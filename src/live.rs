//! A value that can be swapped while others use it.

use std::sync::{Arc, PoisonError, RwLock};

/// A value that several share and one may swap. Whoever has got it keeps what it got: a delivery is judged by
/// one state of the settings from its beginning to its end.
#[derive(Debug, Default)]
pub struct Live<T>(Arc<RwLock<Arc<T>>>);

impl<T> Live<T> {
    /// A value to begin with.
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// The value as it is now.
    pub fn get(&self) -> Arc<T> {
        // Nobody can panic with the lock half-way: all that is done under it is to copy or to swap a pointer.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Swaps the value, for all who share it.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

/// Shares it.
impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::Live;

    #[test]
    fn all_who_share_it_see_the_swap_and_who_has_got_it_keeps_it() {
        let live = Live::new(1);
        let (shared, got) = (live.clone(), live.get());
        live.set(2);
        assert_eq!((*got, *shared.get()), (1, 2));
    }
}
