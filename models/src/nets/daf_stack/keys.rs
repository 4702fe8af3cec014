//! The reference's names: scales are numbered from the finest in some layers and from the coarsest in others.

use super::parts::in_sequence;
use super::{DafStack, SCALES};
use crate::checkpoint::KeyRules;

/// A scale in a step, under the names of the reference.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// 1 or 2.
    pub(super) step: usize,
    /// 0 = coarsest.
    pub(super) index: usize,
}

impl Place {
    /// The trunk's stage, 4 = coarsest.
    pub(super) fn stage(self) -> usize {
        SCALES - self.index
    }

    pub(super) fn conv8(self) -> String {
        let step = if self.step == 1 { "" } else { "1" };
        format!("conv8_{step}{}", self.index + 1)
    }

    pub(super) fn predict(self) -> String {
        let step = if self.step == 1 { "" } else { "_2" };
        format!("predict{}{step}", self.stage())
    }

    fn conv_sem(self) -> String {
        format!("conv_sem_{}_{}", self.step, self.index + 1)
    }

    /// `kind` is `pam` or `cam`.
    pub(super) fn attention(self, kind: &str) -> String {
        format!("{kind}_attention_{}_{}", self.step, self.stage())
    }
}

impl KeyRules for DafStack {
    fn reference_key(&self, path: &str) -> String {
        let Some((field, rest)) = path.split_once('.') else { return path.to_owned() };
        match field {
            "resnext" => trunk_key(rest),
            "fuse1" => format!("fuse1.{}", self.fuse1.reference_key(rest)),
            "down" => {
                numbered(rest, |index, rest| format!("down{}.{}", SCALES - index, in_sequence(rest, 0)))
            }
            "steps" => numbered(rest, |step, rest| self.step_key(step, rest)),
            _ => self.unused_key(rest),
        }
    }

    fn is_planar(&self) -> bool {
        true
    }

    fn is_optional(&self, key: &str) -> bool {
        ["conv6_", "conv7_", "attention", "refine"].iter().any(|unused| key.starts_with(unused))
    }
}

/// The key behind a path `<index>.rest`.
fn numbered(path: &str, key: impl Fn(usize, &str) -> String) -> String {
    let parsed = path.split_once('.').and_then(|(index, rest)| Some(key(index.parse().ok()?, rest)));
    parsed.unwrap_or_else(|| path.to_owned())
}

/// The reference slices torchvision's network: the stem is a sequence, and the first stage begins with the pooling.
fn trunk_key(path: &str) -> String {
    let key = match path.split_once('.') {
        Some(("conv1", rest)) => format!("layer0.0.{rest}"),
        Some(("bn1", rest)) => format!("layer0.1.{rest}"),
        Some(("layer1", rest)) => format!("layer1.1.{rest}"),
        _ => path.to_owned(),
    };
    format!("resnext.{key}")
}

impl DafStack {
    fn step_key(&self, step: usize, path: &str) -> String {
        let own = &self.steps[step];
        if let Some(rest) = path.strip_prefix("semantic.") {
            return format!("semanticModule_{}_1.{}", step + 1, own.semantic.reference_key(rest));
        }
        numbered(path.trim_start_matches("scales."), |index, path| {
            let place = Place { step: step + 1, index };
            let layer = &own.scales[index];
            match path.split_once('.') {
                Some(("pam", rest)) => {
                    format!("{}.{}", place.attention("pam"), layer.pam.reference_key(rest))
                }
                Some(("cam", rest)) => {
                    format!("{}.{}", place.attention("cam"), layer.cam.reference_key(rest))
                }
                Some(("conv_sem", rest)) => format!("{}.{rest}", place.conv_sem()),
                Some(("conv8", rest)) => format!("{}.{rest}", place.conv8()),
                Some(("predict", rest)) => format!("{}.{rest}", place.predict()),
                _ => path.to_owned(),
            }
        })
    }

    fn unused_key(&self, path: &str) -> String {
        let Some((field, rest)) = path.split_once('.') else { return path.to_owned() };
        numbered(rest, |index, rest| match field {
            // A dropout comes first.
            "conv6" | "conv7" => format!("{field}_{}.1.{rest}", index + 1),
            _ => format!("{field}{}.{}", SCALES - index, self.fuse1.reference_key(rest)),
        })
    }
}
