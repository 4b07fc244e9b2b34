//! A set of rule numbers as bits.

/// A set of small numbers with a fixed capacity.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// No number below `capacity`.
    pub(crate) fn none(capacity: usize) -> Self {
        Self {
            words: vec![0; capacity.div_ceil(64)],
        }
    }

    /// Adds a number; one beyond the capacity is ignored.
    pub(crate) fn insert(&mut self, number: usize) {
        if let Some(word) = self.words.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
    }

    pub(crate) fn contains(&self, number: usize) -> bool {
        self.words
            .get(number / 64)
            .is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Becomes a copy of `other` without giving up its memory.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.words.clear();
        self.words.extend_from_slice(&other.words);
    }

    /// Keeps what is in `other` too.
    pub(crate) fn intersect(&mut self, other: &Self) {
        self.words
            .iter_mut()
            .zip(&other.words)
            .for_each(|(word, other)| *word &= other);
    }

    /// Whether all that is in it is in `other` too.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        let mut words = self.words.iter().zip(&other.words);
        words.all(|(word, other)| word & !other == 0)
    }

    /// Whether they have a number in common.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let mut words = self.words.iter().zip(&other.words);
        words.any(|(word, other)| word & other != 0)
    }

    /// Takes out what is in `other`.
    pub(crate) fn remove(&mut self, other: &Self) {
        let words = self.words.iter_mut().zip(&other.words);
        words.for_each(|(word, other)| *word &= !other);
    }

    /// A set of the same capacity with everything in it, beyond the capacity too where that ends within a word.
    pub(crate) fn filled(&self) -> Self {
        Self {
            words: vec![!0; self.words.len()],
        }
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// How much memory the numbers take.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.words.as_slice())
    }

    /// The first number that is in it and in `other` and not in `without`.
    pub(crate) fn first_in_but(&self, other: &Self, without: &Self) -> Option<usize> {
        let words = self.words.iter().zip(&other.words).zip(&without.words);
        let mut rest = words.map(|((one, other), without)| one & other & !without);
        let at = rest.position(|word| word != 0)?;
        let words = (
            self.words.get(at)?,
            other.words.get(at)?,
            without.words.get(at)?,
        );
        Some(at * 64 + (words.0 & words.1 & !words.2).trailing_zeros() as usize)
    }

    /// How many words of memory the set has.
    pub(crate) fn word_count(&self) -> usize {
        self.words.len()
    }

    /// The numbers in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
                rest &= rest - 1;
                Some(at * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_out_in_order_across_words() {
        let mut bits = Bits::none(200);
        [199, 0, 64, 63, 130]
            .into_iter()
            .for_each(|number| bits.insert(number));
        bits.insert(4_000);
        assert_eq!(bits.iter().collect::<Vec<_>>(), [0, 63, 64, 130, 199]);
    }
}
