//! Digests of values from events: fixed keys, so that the same events give the same state everywhere.
//!
//! Values are kept as digests and not as texts, because texts are as long as clients like. 128 bits, since who can choose a value
//! must not find one that passes for another that was learned before: with 64 bits and a million learned values that is
//! some hours of computing.

/// A digest of 128 bits.
pub(crate) type Digest = [u8; 16];

/// The purpose keeps digests apart from all others in the project. Changing it makes every stored state unreadable.
const PURPOSE: &[u8; 32] = b"kubevigil detect: state digest 1";

/// Texts and numbers on their way to one digest, each with its length in front, so that no two sequences look alike.
#[derive(Debug, Default)]
pub(crate) struct Digester {
    bytes: Vec<u8>,
}

impl Digester {
    /// Starts a new digest in the same memory.
    pub(crate) fn start(&mut self) {
        self.bytes.clear();
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes
            .extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn number(&mut self, number: u128) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn finish(&self) -> Digest {
        let hash = blake3::keyed_hash(PURPOSE, &self.bytes);
        let mut digest = Digest::default();
        digest
            .iter_mut()
            .zip(hash.as_bytes())
            .for_each(|(to, from)| *to = *from);
        digest
    }
}

/// The digest of values that stand for one thing together.
pub(crate) fn digest_of(digester: &mut Digester, parts: &[&[u8]]) -> Digest {
    digester.start();
    parts.iter().for_each(|part| digester.bytes(part));
    digester.finish()
}
