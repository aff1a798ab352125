//! The manifest: which files make up the store, and up to which place of the journal they hold everything. It is
//! replaced as a whole, so after a crash either the old or the new state is there. Layout:
//! `docs/formats/manifest.md`.

use std::io;

use bytes::Bytes;
use shoal_merge::Frontier;
use shoal_model::Origin;

use crate::block::Meta;
use crate::bytes::{Malformed, Reader, put_block, put_signed, put_varint};
use crate::damage::DamageMarks;
use crate::debt::{Debt, put_heads, take_heads};
use crate::disk::{Disk, read_all, replace};
use crate::frame::FrameId;
use crate::journal::{Ages, Position};
use crate::table::file::Extent;

/// The manifest's file.
pub(crate) const PATH: &str = "MANIFEST";
/// Magic number and version.
const MAGIC: [u8; 8] = *b"SHM\x01\0\0\0\0";

/// What the store consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The journal is replayed from here.
    pub checkpoint: Position,
    /// What had been applied there.
    pub applied: Vec<(Origin, u64)>,
    /// Frames that could not be read there.
    pub holes: Vec<FrameId>,
    /// What replication wants kept: the members' records.
    pub members: Vec<Bytes>,
    /// Bytes of the catalogue's log that count.
    pub catalogue_len: u64,
    /// How much of the tables counts.
    pub tables: Extent,
    /// The blocks.
    pub blocks: Vec<Meta>,
    /// What is damaged.
    pub damage: DamageMarks,
    /// What is owed.
    pub debt: Option<Debt>,
    /// Up to where lenders' views showed points: there may be some here of frames that have not come.
    pub shown: Frontier,
    /// How new the points of the journal's segments are.
    pub ages: Ages,
    /// The number of the base, 0 for none.
    pub base: u64,
    /// The number of the next block.
    pub next_block: u64,
    /// Points before it may be gone with their windows: no read sees any but the base's.
    pub horizon_ms: i64,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            checkpoint: Position::default(),
            applied: Vec::new(),
            holes: Vec::new(),
            members: Vec::new(),
            catalogue_len: 0,
            tables: Extent::default(),
            blocks: Vec::new(),
            damage: DamageMarks::default(),
            debt: None,
            shown: Frontier::default(),
            ages: Ages::default(),
            base: 0,
            next_block: 0,
            horizon_ms: i64::MIN,
        }
    }
}

impl Manifest {
    /// The manifest of a disk; the empty one where there is none.
    pub fn load(disk: &dyn Disk) -> io::Result<Self> {
        let content = match disk.open(PATH) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => read_all(&*file?)?,
        };
        let damaged = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "MANIFEST is damaged: restore the directory, or start as a new node",
            )
        };
        let (body, checksum) = content.split_last_chunk::<4>().ok_or_else(damaged)?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*checksum) {
            return Err(damaged());
        }
        Self::decode(body).map_err(|_| damaged())
    }

    /// The manifest's bytes, checksum included.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let Position { segment, offset } = self.checkpoint;
        let Extent { generation, len } = self.tables;
        let numbers = [segment, offset, self.catalogue_len, generation, len, self.base, self.next_block];
        numbers.iter().for_each(|number| put_varint(&mut out, *number));
        put_signed(&mut out, self.horizon_ms);
        put_heads(&mut out, self.applied.iter().copied());
        put_heads(&mut out, self.holes.iter().map(|hole| (hole.origin, hole.seq)));
        put_varint(&mut out, self.members.len() as u64);
        self.members.iter().for_each(|member| put_block(&mut out, member));
        put_varint(&mut out, self.blocks.len() as u64);
        self.blocks.iter().for_each(|meta| meta.put(&mut out));
        self.damage.put(&mut out);
        Debt::put(self.debt.as_ref(), &mut out);
        put_heads(&mut out, self.shown.iter());
        self.ages.put(&mut out);
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        if reader.array()? != MAGIC {
            return Err(Malformed);
        }
        let checkpoint = Position { segment: reader.varint()?, offset: reader.varint()? };
        let catalogue_len = reader.varint()?;
        let tables = Extent { generation: reader.varint()?, len: reader.varint()? };
        let (base, next_block) = (reader.varint()?, reader.varint()?);
        let horizon_ms = reader.signed()?;
        let applied = take_heads(&mut reader)?;
        let holes =
            take_heads(&mut reader)?.into_iter().map(|(origin, seq)| FrameId { origin, seq }).collect();
        let members = (0..reader.count()?)
            .map(|_| reader.block().map(Bytes::copy_from_slice))
            .collect::<Result<_, _>>()?;
        let blocks = (0..reader.count()?).map(|_| Meta::take(&mut reader)).collect::<Result<_, _>>()?;
        let damage = DamageMarks::take(&mut reader)?;
        let debt = Debt::take(&mut reader)?;
        let shown = Frontier::from_entries(take_heads(&mut reader)?);
        let ages = Ages::take(&mut reader)?;
        if !reader.is_empty() {
            return Err(Malformed);
        }
        Ok(Self {
            checkpoint,
            applied,
            holes,
            members,
            catalogue_len,
            tables,
            blocks,
            damage,
            debt,
            shown,
            ages,
            base,
            next_block,
            horizon_ms,
        })
    }
}

/// Writes a manifest's bytes so that they replace the last one's, durably.
pub fn store(disk: &dyn Disk, bytes: &[u8]) -> io::Result<()> {
    replace(disk, PATH, bytes)
}
