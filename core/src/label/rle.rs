//! Label arrays as runs of equal values.

use serde::{Deserialize, Serialize};

/// Why stored runs are not the labels they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RleError {
    /// The runs end early, are malformed, or hold a label beyond 65535.
    #[error("the stored label map is damaged at byte {at}")]
    Damaged {
        /// Offset in the packed runs.
        at: usize,
    },
    /// The runs do not cover the expected number of voxels.
    #[error("the stored label map has {found} voxels where the image has {expected}")]
    Count {
        /// Voxels in the runs, as far as they were read.
        found: u64,
        /// Voxels of the image.
        expected: usize,
    },
}

/// Labels as pairs (length, label), both as LEB128 integers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLengths {
    packed: Vec<u8>,
}

impl RunLengths {
    /// Packs an array of labels.
    pub fn encode(labels: &[u16]) -> Self {
        Self::of_stretches(std::iter::once(labels))
    }

    /// Packs labels that come in stretches, one after the other.
    pub fn of_stretches<'a>(stretches: impl Iterator<Item = &'a [u16]>) -> Self {
        let mut packed = Vec::new();
        let mut push = |length: usize, label: u16| {
            if length > 0 {
                push_varint(&mut packed, length as u64);
                push_varint(&mut packed, u64::from(label));
            }
        };
        let (mut length, mut label) = (0, 0);
        for run in stretches.flat_map(runs_of) {
            if run[0] != label {
                push(std::mem::take(&mut length), label);
                label = run[0];
            }
            length += run.len();
        }
        push(length, label);
        Self { packed }
    }

    /// Unpacks exactly `voxel_count` labels; nothing larger is ever allocated.
    ///
    /// # Errors
    /// [`RleError`] if the runs are malformed or cover another number of voxels.
    pub fn decode(&self, voxel_count: usize) -> Result<Vec<u16>, RleError> {
        let mut labels = Vec::new();
        labels
            .try_reserve_exact(voxel_count)
            .map_err(|_| RleError::Count { found: 0, expected: voxel_count })?;
        self.each(voxel_count, |range, label| labels.resize(range.end, label))?;
        Ok(labels)
    }

    /// Tells where each label lies, in order, without gaps; never beyond `voxel_count`.
    ///
    /// # Errors
    /// [`RleError`] if the runs are malformed or cover another number of voxels; what came before has been told.
    pub fn each(
        &self,
        voxel_count: usize,
        mut found: impl FnMut(std::ops::Range<usize>, u16),
    ) -> Result<(), RleError> {
        let (mut at, mut end) = (0, 0);
        while at < self.packed.len() {
            let start = at;
            let damaged = RleError::Damaged { at: start };
            let length = read_varint(&self.packed, &mut at).ok_or(damaged.clone())?;
            let label = read_varint(&self.packed, &mut at).ok_or(damaged.clone())?;
            let label = u16::try_from(label).map_err(|_| damaged)?;
            if length > (voxel_count - end) as u64 {
                let found = (end as u64).saturating_add(length);
                return Err(RleError::Count { found, expected: voxel_count });
            }
            found(end..end + length as usize, label);
            end += length as usize;
        }
        if end != voxel_count {
            return Err(RleError::Count { found: end as u64, expected: voxel_count });
        }
        Ok(())
    }

    /// The packed form.
    pub(crate) fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// Bytes of the packed form.
    pub fn bytes(&self) -> usize {
        self.packed.len()
    }
}

/// Voxels compared at once when looking for the end of a run.
const BLOCK: usize = 32;

/// The runs of equal labels, in order. Like `chunk_by`, but long runs go by in blocks that the compiler turns
/// into vector instructions: label maps are mostly background.
pub(crate) fn runs_of(labels: &[u16]) -> impl Iterator<Item = &[u16]> {
    let mut rest = labels;
    std::iter::from_fn(move || {
        let first = *rest.first()?;
        let (run, after) = rest.split_at(count_leading(rest, first));
        rest = after;
        Some(run)
    })
}

/// How many labels at the start have this value.
pub(crate) fn count_leading(labels: &[u16], value: u16) -> usize {
    let same = |block: &&[u16]| block.iter().fold(0, |difference, label| difference | (label ^ value)) == 0;
    let whole = BLOCK * labels.chunks_exact(BLOCK).take_while(same).count();
    let rest = &labels[whole..];
    whole + rest.iter().position(|label| *label != value).unwrap_or(rest.len())
}

/// Appends an unsigned LEB128 integer.
pub(crate) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads an unsigned LEB128 integer; `None` at the end of the bytes or beyond 64 bits.
pub(crate) fn read_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_round_trip(labels in prop::collection::vec(prop_oneof![Just(0u16), 0..3u16, any::<u16>()], 0..300)) {
            prop_assert_eq!(RunLengths::encode(&labels).decode(labels.len()).unwrap(), labels);
        }

        #[test]
        fn long_runs_end_where_they_should(lengths in prop::collection::vec(1usize..90, 0..12)) {
            let labels: Vec<u16> =
                lengths.iter().enumerate().flat_map(|(i, length)| vec![i as u16; *length]).collect();
            prop_assert_eq!(runs_of(&labels).map(<[u16]>::len).collect::<Vec<_>>(), lengths);
        }

        #[test]
        fn varints_round_trip(value: u64) {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            let mut at = 0;
            prop_assert_eq!(read_varint(&bytes, &mut at), Some(value));
            prop_assert_eq!(at, bytes.len());
        }

        #[test]
        fn any_bytes_decode_or_fail(packed: Vec<u8>) {
            if let Ok(labels) = (RunLengths { packed }).decode(1000) {
                prop_assert_eq!(labels.len(), 1000);
            }
        }
    }

    #[test]
    fn a_lie_about_the_length_is_refused_before_allocation() {
        let mut packed = Vec::new();
        push_varint(&mut packed, u64::MAX);
        push_varint(&mut packed, 1);
        let error = (RunLengths { packed }).decode(64).unwrap_err();
        assert_eq!(error, RleError::Count { found: u64::MAX, expected: 64 });
    }
}
