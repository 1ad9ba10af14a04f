//! Decisions out of a fuzzer's bytes.

/// What is left of the input. When nothing is left, every choice is the first one, so that all ends.
#[derive(Clone, Debug)]
pub struct Choices<'i>(&'i [u8]);

impl<'i> Choices<'i> {
    /// Decisions out of these bytes.
    pub fn new(input: &'i [u8]) -> Self {
        Self(input)
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `count`, which must not be 0.
    pub fn below(&mut self, count: usize) -> usize {
        let number = if count > usize::from(u8::MAX) + 1 {
            usize::from(self.byte()) << 8 | usize::from(self.byte())
        } else {
            usize::from(self.byte())
        };
        number % count
    }

    /// One of these; there must be one.
    pub fn one<'c, T: ?Sized>(&mut self, of: &[&'c T]) -> &'c T {
        of[self.below(of.len())]
    }

    /// Yes, once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    /// At most so many bytes, as many as the next byte says.
    pub fn some(&mut self, at_most: usize) -> &'i [u8] {
        let wanted = self.below(at_most + 1).min(self.0.len());
        let (some, rest) = self.0.split_at(wanted);
        self.0 = rest;
        some
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'i [u8] {
        std::mem::take(&mut self.0)
    }
}
