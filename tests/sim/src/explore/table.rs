//! A map from 128-bit hashes, which are their own slots: no hashing, no ordering, little memory.
//!
//! The standard maps are either unordered by chance or pay for an order that nobody needs here.

/// Values by hash, numbered in the order in which they came.
#[derive(Debug)]
pub(super) struct Table<V> {
    keys: Vec<u128>,
    values: Vec<V>,
    /// One more than the number of an entry; zero: free.
    slots: Vec<u32>,
}

impl<V> Table<V> {
    pub(super) fn new() -> Self {
        Self {
            keys: Vec::new(),
            values: Vec::new(),
            slots: vec![0; 1024],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn find(&self, key: u128) -> Option<&V> {
        let number = self.slots[self.slot(key)].checked_sub(1)?;
        Some(&self.values[index(number)])
    }

    /// The number of a new entry; none: there is one with this hash.
    pub(super) fn insert(&mut self, key: u128, value: V) -> Option<u32> {
        let slot = self.slot(key);
        if self.slots[slot] != 0 {
            return None;
        }
        let number = u32::try_from(self.keys.len()).expect("memory ends long before numbers do");
        self.slots[slot] = number + 1;
        self.keys.push(key);
        self.values.push(value);
        if self.keys.len() * 2 > self.slots.len() {
            self.grow();
        }
        Some(number)
    }

    pub(super) fn value(&self, number: u32) -> &V {
        &self.values[index(number)]
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Where this hash is, or would be.
    fn slot(&self, key: u128) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = usize::try_from(key & mask as u128).unwrap_or(0);
        while let Some(number) = self.slots[slot].checked_sub(1)
            && self.keys[index(number)] != key
        {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        self.slots = vec![0; self.slots.len() * 2];
        for number in 0..self.keys.len() {
            let slot = self.slot(self.keys[number]);
            self.slots[slot] = u32::try_from(number + 1).expect("it had a number before");
        }
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).expect("an index is 32 bits at least")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_and_nothing_else() {
        let mut table = Table::new();
        // Many that want the same slot.
        for number in 0..3000_u32 {
            let key = u128::from(number) << 64;
            assert_eq!(table.insert(key, number), Some(number));
            assert_eq!(table.insert(key, 0), None);
        }
        for number in 0..3000_u32 {
            assert_eq!(table.find(u128::from(number) << 64), Some(&number));
            assert_eq!(table.find((u128::from(number) << 64) | 1), None);
        }
        assert_eq!((table.len(), *table.value(7)), (3000, 7));
    }
}
