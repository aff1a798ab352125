//! The protobuf wire format, read field by field without copying. Unknown fields are passed over, as the format
//! asks; groups, which nobody sends, are malformed.

use super::Malformed;

/// The fields of one message.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

/// A field's number and value.
pub(super) type Field<'a> = (u32, Value<'a>);

/// A field's value, as the wire types tell them apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Passes over fields of bytes with this key, as long as they are short.
    #[inline]
    pub(super) fn skip_short(&mut self, key: u8) {
        while let [first, len @ ..0x80, rest @ ..] = self.rest
            && *first == key
            && let Some(rest) = rest.get(usize::from(*len)..)
        {
            self.rest = rest;
        }
    }

    /// The next field, if there is one.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| Malformed::Message)?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Value::Bytes(self.block()?),
            5 => {
                self.array::<4>()?;
                Value::Fixed32
            }
            _ => return Err(Malformed::Message),
        };
        Ok(Some((number, value)))
    }

    /// A varint of at most ten bytes.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        if let Some((byte, rest)) = self.rest.split_first()
            && *byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(Malformed::Message)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Malformed::Message)?;
        self.rest = rest;
        Ok(*array)
    }

    fn block(&mut self) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.varint()?).map_err(|_| Malformed::Message)?;
        let (block, rest) = self.rest.split_at_checked(len).ok_or(Malformed::Message)?;
        self.rest = rest;
        Ok(block)
    }
}

impl<'a> Value<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        if let Value::Bytes(bytes) = self { Ok(bytes) } else { Err(Malformed::Message) }
    }

    pub(super) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed::Message)
    }

    pub(super) fn double(self) -> Result<f64, Malformed> {
        if let Value::Fixed64(bits) = self { Ok(f64::from_bits(bits)) } else { Err(Malformed::Message) }
    }

    /// An `int64`, as timestamps are.
    pub(super) fn integer(self) -> Result<i64, Malformed> {
        if let Value::Varint(value) = self { Ok(value as i64) } else { Err(Malformed::Message) }
    }

    pub(super) fn unsigned32(self) -> Result<u32, Malformed> {
        u32::try_from(self.integer()?).map_err(|_| Malformed::Message)
    }
}
