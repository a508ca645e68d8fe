//! A 128-bit hash that is the same on every machine and for ever.
//!
//! Two lanes of multiply and fold, as fast hashes do it: states are told apart by it alone, so 64
//! bits would be too few, and nobody chooses states in order to collide.

const ONE: u64 = 0x9E37_79B9_7F4A_7C15;
const TWO: u64 = 0xD6E8_FEB8_6659_FD93;

/// A hash in the making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mix {
    one: u64,
    two: u64,
}

impl Mix {
    pub(super) const fn new() -> Self {
        Self { one: TWO, two: ONE }
    }

    pub(super) fn add(&mut self, number: u64) {
        self.one = fold(self.one ^ number, ONE).wrapping_add(number);
        self.two = fold(self.two.rotate_left(23) ^ number, TWO) ^ number;
    }

    pub(super) fn add_wide(&mut self, number: u128) {
        let (high, low) = halves(number);
        self.add(high);
        self.add(low);
    }

    pub(super) fn add_text(&mut self, text: &str) {
        let mut chunks = text.as_bytes().chunks_exact(8);
        for chunk in &mut chunks {
            let bytes = chunk.try_into().unwrap_or_default();
            self.add(u64::from_le_bytes(bytes));
        }
        // The rest with its length, so that no two texts end alike.
        let rest = chunks.remainder();
        let tail = rest
            .iter()
            .fold(1_u64, |tail, byte| (tail << 8) | u64::from(*byte));
        self.add(tail);
    }

    pub(super) fn end(self) -> u128 {
        let (one, two) = (fold(self.one, TWO), fold(self.two, ONE));
        (u128::from(one) << 64) | u128::from(two)
    }
}

fn fold(a: u64, b: u64) -> u64 {
    let (high, low) = halves(u128::from(a) * u128::from(b));
    high ^ low
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "each half is cut out on purpose"
)]
fn halves(wide: u128) -> (u64, u64) {
    ((wide >> 64) as u64, wide as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> u128 {
        let mut mix = Mix::new();
        texts.iter().for_each(|text| mix.add_text(text));
        mix.end()
    }

    #[test]
    fn texts_that_differ_by_a_byte_or_by_where_they_are_cut_differ() {
        let of_each = [
            of(&["member"]),
            of(&["membes"]),
            of(&["mem", "ber"]),
            of(&["membe", "r"]),
            of(&["member", ""]),
            of(&[""]),
            of(&["\0"]),
        ];
        for (index, one) in of_each.iter().enumerate() {
            assert!(!of_each[index + 1..].contains(one), "{index}");
        }
    }
}
