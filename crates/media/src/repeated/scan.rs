//! Whether a key is repeated.

use crate::json::string_end;

/// The key that is read next, or none, in an open bracket.
#[derive(Clone, Copy, Debug)]
struct Open {
    is_object: bool,
    /// How many keys there are of the objects around.
    keys: usize,
}

/// Whether an object in this JSON has a key twice. Now and then `true` although none has: keys are compared by a short hash. Of what
/// is no JSON it may say anything.
pub(super) fn repeats_a_key(body: &[u8]) -> bool {
    let mut open: Vec<Open> = Vec::new();
    let mut keys: Vec<u64> = Vec::new();
    let mut is_key = false;
    let mut rest = body;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'{' | b'[' => {
                is_key = *byte == b'{';
                open.push(Open {
                    is_object: is_key,
                    keys: keys.len(),
                });
            }
            b'}' | b']' => {
                let start = open.pop().map_or(0, |closed| closed.keys);
                if has_twice(keys.get_mut(start..).unwrap_or_default()) {
                    return true;
                }
                keys.truncate(start);
                is_key = false;
            }
            b',' => is_key = open.last().is_some_and(|open| open.is_object),
            b'"' => {
                let end = string_end(rest);
                if is_key {
                    keys.push(hash(rest.get(..end).unwrap_or_default()));
                    is_key = false;
                }
                rest = rest.get(end + 1..).unwrap_or_default();
            }
            _ => {}
        }
    }
    false
}

fn has_twice(keys: &mut [u64]) -> bool {
    if keys.len() <= 8 {
        let mut rest = &*keys;
        while let Some((key, behind)) = rest.split_first() {
            if behind.contains(key) {
                return true;
            }
            rest = behind;
        }
        return false;
    }
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair.first() == pair.last())
}

/// A hash of the key that is meant: escapes do not make another one of it.
fn hash(key: &[u8]) -> u64 {
    if memchr::memchr(b'\\', key).is_none() {
        return hash_of(key);
    }
    let quoted = format!("\"{}\"", String::from_utf8_lossy(key));
    let meant: Result<String, _> = serde_json::from_str(&quoted);
    meant.map_or_else(|_| hash_of(key), |meant| hash_of(meant.as_bytes()))
}

fn hash_of(key: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, tail) = key.as_chunks::<8>();
    let mut last = [0; 8];
    for (place, byte) in last.iter_mut().zip(tail) {
        *place = *byte;
    }
    let start = (key.len() as u64).wrapping_mul(ODD);
    let words = words.iter().chain([&last]);
    words.fold(start, |hash, word| {
        let mixed = (hash.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(ODD);
        mixed ^ (mixed >> 32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_key_twice_in_one_object_is_repeated() {
        let repeated = [
            r#"{"a":1,"a":2}"#,
            r#"{"b":{"x":[{"c":"}","d":{},"c":null}]}}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"\\\"":1,"a":[{},2],"\\\"":3}"#,
            r#"{"1":1,"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"8":1,"9":1,"10":1,"3":1}"#,
        ];
        for text in repeated {
            assert!(repeats_a_key(text.as_bytes()), "{text}");
        }
        let other = [
            "",
            "}]",
            "\"",
            r#"{"a":{"a":{"a":1}},"b":{"a":1}}"#,
            r#"[{"a":1},{"a":1},"a","a"]"#,
            r#"{"a":"a","b":["a","b","c","c"]}"#,
            r#"{"a":"{\"b\":1,\"b\":1}","c":""}"#,
        ];
        for text in other {
            assert!(!repeats_a_key(text.as_bytes()), "{text}");
        }
    }
}
