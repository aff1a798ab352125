//! The protobuf wire format, read field by field without copying. Unknown fields are passed over, as the format
//! asks; groups, which nobody sends, are malformed.

use thiserror::Error;

/// Bytes that end early, or are none of the format. The sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the bytes are no protobuf message")]
pub struct BadWire;

/// The fields of one message.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// A field's number and value.
pub type Field<'a> = (u32, Value<'a>);

/// A field's value, as the wire types tell them apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A number of any kind that is no float.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// A text, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// Four bytes, which no message here has.
    Fixed32,
}

impl<'a> Fields<'a> {
    /// Those of a message.
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// Passes over fields of bytes with this key, as long as they are short.
    #[inline]
    pub fn skip_short(&mut self, key: u8) {
        while let [first, len @ ..0x80, rest @ ..] = self.rest
            && *first == key
            && let Some(rest) = rest.get(usize::from(*len)..)
        {
            self.rest = rest;
        }
    }

    /// The next field, if there is one.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "no iterator: after an error nothing follows")]
    pub fn next(&mut self) -> Result<Option<Field<'a>>, BadWire> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| BadWire)?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Value::Bytes(self.block()?),
            5 => {
                self.array::<4>()?;
                Value::Fixed32
            }
            _ => return Err(BadWire),
        };
        Ok(Some((number, value)))
    }

    /// A varint of at most ten bytes.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, BadWire> {
        if let Some((byte, rest)) = self.rest.split_first()
            && *byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, BadWire> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(BadWire)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadWire> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(BadWire)?;
        self.rest = rest;
        Ok(*array)
    }

    fn block(&mut self) -> Result<&'a [u8], BadWire> {
        let len = usize::try_from(self.varint()?).map_err(|_| BadWire)?;
        let (block, rest) = self.rest.split_at_checked(len).ok_or(BadWire)?;
        self.rest = rest;
        Ok(block)
    }
}

impl<'a> Value<'a> {
    /// Bytes or a message.
    pub fn bytes(self) -> Result<&'a [u8], BadWire> {
        if let Value::Bytes(bytes) = self { Ok(bytes) } else { Err(BadWire) }
    }

    /// A text in UTF-8.
    pub fn text(self) -> Result<&'a str, BadWire> {
        std::str::from_utf8(self.bytes()?).map_err(|_| BadWire)
    }

    /// A `double`.
    pub fn double(self) -> Result<f64, BadWire> {
        if let Value::Fixed64(bits) = self { Ok(f64::from_bits(bits)) } else { Err(BadWire) }
    }

    /// An `int64`, as timestamps are.
    pub fn integer(self) -> Result<i64, BadWire> {
        if let Value::Varint(value) = self { Ok(value as i64) } else { Err(BadWire) }
    }

    /// A `uint32`.
    pub fn unsigned32(self) -> Result<u32, BadWire> {
        u32::try_from(self.integer()?).map_err(|_| BadWire)
    }
}
