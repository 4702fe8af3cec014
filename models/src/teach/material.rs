//! From cases to what a network is shown, one case in memory at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use hilum_core::job::{Cancelled, Observer};

use super::case::{LoadedCase, OpenedCase, regions_of};
use super::objects::objects_of;
use super::options::{ReplaySource, TeachEvent, TeachOptions};
use super::prepare::Preparation;
use super::record::Parent;
use super::{CaseUse, TeachError, TeachingCase};
use crate::catalog::{Catalog, Model};
use crate::device::OpenDevice;
use crate::infer::{Dense, DenseError};
use crate::train::Validation;
use crate::train::click::ClickTeacher;
use crate::train::click::dataset::{Case as ClickCase, Dataset, Loaded};
use crate::train::dense::DenseTeacher;
use crate::train::dense::data::{Case as DenseCase, DenseData};
use crate::train::recipe::{DenseRecipe, Recipe, TaskRecipe};
use crate::train::teacher::Teacher;

/// Earlier cases that the curves are measured on.
const MAX_EARLIER: usize = 6;
/// Share of the memory for cases that each kind may take: corrected ones the half.
const CORRECTED_SHARE: f64 = 0.5;
const OTHER_SHARE: f64 = 0.25;

/// What a network is shown.
#[derive(Debug)]
pub(super) enum Material {
    /// Images with regions.
    Dense(Arc<DenseData>),
    /// Images with objects that are clicked.
    Click(Arc<Dataset>),
}

/// Cases set aside that are not measured for a moment.
pub(super) enum Aside {
    Dense(Vec<DenseCase>),
    Click(Vec<ClickCase>),
}

impl Material {
    /// Who shows it.
    pub(super) fn teacher<'a>(
        &self,
        recipe: &'a Recipe,
        device: &Device,
    ) -> Result<Box<dyn Teacher + 'a>, TeachError> {
        Ok(match (self, &recipe.task) {
            (Self::Dense(data), TaskRecipe::Dense(task)) => {
                Box::new(DenseTeacher::new(task, data.clone(), recipe.seed, device)?)
            }
            (Self::Click(data), TaskRecipe::Click(task)) => {
                Box::new(ClickTeacher::with(task, data.clone(), device))
            }
            _ => return Err(TeachError::Unsuitable("recipe and cases are of different tasks".into())),
        })
    }

    /// How many cases the curves are measured on.
    pub(super) fn validation_len(&self) -> usize {
        match self {
            Self::Dense(data) => data.validation.len(),
            Self::Click(data) => data.validation.len(),
        }
    }

    /// Leaves one of those cases. Nothing else may hold the data.
    pub(super) fn take_all_but_last(&mut self) -> Aside {
        fn but_last<T>(all: Option<&mut Vec<T>>) -> Vec<T> {
            all.map(|all| all.drain(..all.len().saturating_sub(1)).collect()).unwrap_or_default()
        }
        match self {
            Self::Dense(data) => Aside::Dense(but_last(Arc::get_mut(data).map(|data| &mut data.validation))),
            Self::Click(data) => Aside::Click(but_last(Arc::get_mut(data).map(|data| &mut data.validation))),
        }
    }

    /// Puts back what [`Material::take_all_but_last`] took.
    pub(super) fn put_back(&mut self, aside: Aside) {
        fn before<T>(all: Option<&mut Vec<T>>, others: Vec<T>) {
            if let Some(all) = all {
                all.splice(0..0, others);
            }
        }
        match (self, aside) {
            (Self::Dense(data), Aside::Dense(others)) => {
                before(Arc::get_mut(data).map(|data| &mut data.validation), others);
            }
            (Self::Click(data), Aside::Click(others)) => {
                before(Arc::get_mut(data).map(|data| &mut data.validation), others);
            }
            _ => {}
        }
    }

    /// Measures the curves on at most so many cases.
    pub(super) fn keep_validation(&mut self, most: usize) {
        fn keep<T>(all: Option<&mut Vec<T>>, most: usize) {
            if let Some(all) = all {
                *all = evenly(std::mem::take(all), most).collect();
            }
        }
        match self {
            Self::Dense(data) => keep(Arc::get_mut(data).map(|data| &mut data.validation), most),
            Self::Click(data) => keep(Arc::get_mut(data).map(|data| &mut data.validation), most),
        }
    }
}

/// At most `most` of some things, evenly spread.
pub(super) fn evenly<T>(all: Vec<T>, most: usize) -> impl Iterator<Item = T> {
    let step = all.len().div_ceil(most.max(1)).max(1);
    all.into_iter().step_by(step)
}

/// What a training is put together of, beside the cases.
pub(super) struct Assembly<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) parent: &'a Model,
    pub(super) recipe: Recipe,
    pub(super) replay: (ReplaySource, f64),
    pub(super) options: &'a TeachOptions,
    pub(super) device: &'a OpenDevice,
    /// Memory that the cases may take; what goes beyond is left out and told.
    pub(super) memory_limit_bytes: Option<u64>,
    /// Refuses a case that is not what it should be.
    pub(super) check: &'a dyn Fn(&LoadedCase) -> Result<(), TeachError>,
}

/// What the cases gave, by what they are for.
struct Collected<C> {
    loaded: Vec<LoadedCase>,
    corrected: Vec<C>,
    earlier: Vec<C>,
    set_aside: Vec<C>,
    /// The present model's own answers.
    own: Vec<C>,
}

/// Makes what a person drew in a case, and the present model's own answer on it.
type Make<'a, C> = dyn FnMut(&OpenedCase, CaseUse) -> Result<[Vec<C>; 2], TeachError> + 'a;

impl Assembly<'_> {
    /// Reads the cases one after the other and puts everything together.
    pub(super) fn of(
        self,
        cases: &[TeachingCase],
        observer: &dyn Observer,
        on_event: &mut dyn FnMut(&TeachEvent),
    ) -> Result<Preparation, TeachError> {
        let mut ids = BTreeSet::new();
        if let Some(twice) = cases.iter().find(|case| !ids.insert(&case.id)) {
            return Err(TeachError::Unsuitable(format!("two cases are called {}", twice.id)));
        }
        if !cases.iter().any(|case| case.purpose == CaseUse::Corrected) {
            return Err(TeachError::Unsuitable("there is no corrected case to learn from".into()));
        }
        let (material, loaded, earlier) = match &self.recipe.task {
            TaskRecipe::Dense(recipe) => self.dense(recipe, cases, observer, on_event)?,
            TaskRecipe::Click(_) => self.click(cases, observer, on_event)?,
        };
        let card = &self.parent.card;
        Ok(Preparation {
            parent: Parent { id: card.id.clone(), weights_sha256: card.weights_sha256.clone() },
            start: self.parent.weights()?,
            recipe: self.recipe,
            material,
            device: self.device.clone(),
            cases: loaded,
            earlier,
            replay: self.replay.0,
            replay_share: self.replay.1,
            options: self.options.clone(),
            before: [Validation::default(), Validation::default()],
            began: Instant::now(),
            forecast: None,
        })
    }

    fn dense(
        &self,
        recipe: &DenseRecipe,
        cases: &[TeachingCase],
        observer: &dyn Observer,
        on_event: &mut dyn FnMut(&TeachEvent),
    ) -> Result<(Material, Vec<LoadedCase>, BTreeSet<String>), TeachError> {
        let task = recipe.task();
        let (replay, share) = self.replay;
        let keeps_own = |purpose| match replay {
            ReplaySource::OwnAnswers => purpose == CaseUse::Unlabelled,
            ReplaySource::OwnAnswersOnCorrected => purpose == CaseUse::Corrected,
            _ => false,
        };
        let mut model = None;
        let mut make = |case: &OpenedCase, purpose: CaseUse| -> Result<[Vec<DenseCase>; 2], TeachError> {
            let mut drawn = Vec::new();
            if purpose != CaseUse::Unlabelled {
                let regions: Vec<_> = regions_of(&task, &case.labels).into_iter().map(Some).collect();
                drawn.push(DenseCase::new(case.id.clone(), &case.volume, &regions, recipe)?);
            }
            let mut own = Vec::new();
            if keeps_own(purpose) {
                if model.is_none() {
                    model = Some(Dense::load(self.catalog, &self.parent.card.id, &self.device.device)?);
                }
                let model = model.as_ref().expect("it was loaded just now");
                match model.segment(&case.volume, observer) {
                    Ok(answer) => {
                        let (name, probabilities) = (case.id.clone(), &answer.probabilities);
                        own.extend(
                            DenseCase::of_probabilities(name, &case.volume, probabilities, recipe).ok(),
                        );
                    }
                    // An image in which nothing is found has no answer to keep.
                    Err(DenseError::NotFound(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok([drawn, own])
        };
        let bytes = |cases: &[DenseCase]| cases.iter().map(DenseCase::bytes).sum();
        let found = self.collect(cases, &mut make, &bytes, observer, on_event)?;
        let earlier = found.earlier.iter().map(|case| case.name.clone()).collect();
        let mut validation = found.set_aside;
        validation.extend(evenly(found.earlier.iter().collect(), MAX_EARLIER).cloned());
        let is_earlier = matches!(replay, ReplaySource::Earlier | ReplaySource::EarlierAlone);
        let kept = if is_earlier { found.earlier } else { found.own };
        let share = if kept.is_empty() { 0.0 } else { share };
        let data = DenseData { sources: vec![(1.0 - share, found.corrected), (share, kept)], validation };
        Ok((Material::Dense(Arc::new(data)), found.loaded, earlier))
    }

    fn click(
        &self,
        cases: &[TeachingCase],
        observer: &dyn Observer,
        on_event: &mut dyn FnMut(&TeachEvent),
    ) -> Result<(Material, Vec<LoadedCase>, BTreeSet<String>), TeachError> {
        let mut make = |case: &OpenedCase, _: CaseUse| -> Result<[Vec<ClickCase>; 2], TeachError> {
            let grid = case.volume.grid();
            if grid.is_flat() {
                return Err(TeachError::Unsuitable(format!(
                    "the case {} has a single slice; the one-click network needs a volume",
                    case.id
                )));
            }
            let modality = case.volume.meta().modality;
            let object = |(nth, object)| {
                let name = if nth == 0 { case.id.clone() } else { format!("{} ({})", case.id, nth + 1) };
                ClickCase::of_object(name, case.volume.clone(), modality, &object)
            };
            let objects = objects_of(&case.labels, grid);
            Ok([objects.into_iter().enumerate().filter_map(object).collect(), Vec::new()])
        };
        // The objects of a case share its image.
        let bytes = |objects: &[ClickCase]| {
            let image = objects.first().map_or(0, |object| {
                let voxels = object.volume.voxels();
                voxels.len() * voxels.bytes_per_voxel()
            });
            let masks = objects.iter().map(|object| object.mask.len() + 4 * object.inside.len());
            (image + masks.sum::<usize>()) as u64
        };
        let found = self.collect(cases, &mut make, &bytes, observer, on_event)?;
        if found.corrected.is_empty() {
            let why = "the corrected cases show no object of ten voxels or more; outline what is to be found";
            return Err(TeachError::Unsuitable(why.into()));
        }
        let earlier: BTreeSet<String> = found.earlier.iter().map(|case| case.name.clone()).collect();
        let mut validation = found.set_aside;
        validation.extend(evenly(found.earlier.iter().collect(), MAX_EARLIER).cloned());
        let (replay, share) = self.replay;
        let mut sources = vec![(1.0 - share, Loaded::Cases(found.corrected))];
        let scenes = match replay {
            ReplaySource::Earlier if !found.earlier.is_empty() => {
                sources.push((share / 2.0, Loaded::Cases(found.earlier)));
                share / 2.0
            }
            ReplaySource::EarlierAlone if !found.earlier.is_empty() => {
                sources.push((share, Loaded::Cases(found.earlier)));
                0.0
            }
            _ => share,
        };
        if scenes > 0.0 {
            sources.push((scenes, Loaded::Scenes));
        }
        Ok((Material::Click(Arc::new(Dataset { sources, validation })), found.loaded, earlier))
    }

    /// Reads the cases one after the other. Of each kind at least one is taken, whatever the memory.
    fn collect<C>(
        &self,
        cases: &[TeachingCase],
        make: &mut Make<'_, C>,
        bytes: &dyn Fn(&[C]) -> u64,
        observer: &dyn Observer,
        on_event: &mut dyn FnMut(&TeachEvent),
    ) -> Result<Collected<C>, TeachError> {
        let mut found = Collected {
            loaded: Vec::new(),
            corrected: Vec::new(),
            earlier: Vec::new(),
            set_aside: Vec::new(),
            own: Vec::new(),
        };
        let mut room = Room::new(self.memory_limit_bytes);
        for (nth, case) in cases.iter().enumerate() {
            if observer.is_cancelled() {
                return Err(Cancelled.into());
            }
            observer.progress("reading cases", nth as u64, cases.len() as u64);
            if room.is_full(case) {
                continue;
            }
            let opened = case.open()?;
            let loaded = opened.remember(case);
            (self.check)(&loaded)?;
            let [drawn, own] = make(&opened, case.purpose)?;
            drop(opened);
            if !room.takes(case, bytes(&drawn) + bytes(&own)) {
                continue;
            }
            found.loaded.push(loaded);
            match case.purpose {
                CaseUse::Corrected => found.corrected.extend(drawn),
                CaseUse::Earlier => found.earlier.extend(drawn),
                CaseUse::SetAside => found.set_aside.extend(drawn),
                CaseUse::Unlabelled => {}
            }
            found.own.extend(own);
        }
        if let Some(text) = room.told() {
            on_event(&TeachEvent::Warning(text));
        }
        Ok(found)
    }
}

/// How much memory the cases of each kind have taken.
struct Room {
    limit: Option<u64>,
    taken: [u64; 4],
    left_out: Vec<String>,
    full: [bool; 4],
}

impl Room {
    fn new(limit: Option<u64>) -> Self {
        Self { limit, taken: [0; 4], left_out: Vec::new(), full: [false; 4] }
    }

    /// Whether a case of this kind was refused already; then this one is not even read.
    fn is_full(&mut self, case: &TeachingCase) -> bool {
        let is_full = self.full[case.purpose as usize];
        if is_full {
            self.left_out.push(case.id.clone());
        }
        is_full
    }

    fn takes(&mut self, case: &TeachingCase, bytes: u64) -> bool {
        let kind = case.purpose as usize;
        let share = if case.purpose == CaseUse::Corrected { CORRECTED_SHARE } else { OTHER_SHARE };
        let most = self.limit.map_or(u64::MAX, |limit| (limit as f64 * share) as u64);
        let after = self.taken[kind].saturating_add(bytes);
        if self.taken[kind] > 0 && after > most {
            self.full[kind] = true;
            self.left_out.push(case.id.clone());
            return false;
        }
        self.taken[kind] = after;
        true
    }

    fn told(&self) -> Option<String> {
        let mib = self.limit? >> 20;
        let names = self.left_out.iter().take(6).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if self.left_out.len() > 6 { ", …" } else { "" };
        (!self.left_out.is_empty()).then(|| {
            format!(
                "{} cases are left out, to stay within {mib} MiB for cases: {names}{more}; allow more memory to use them",
                self.left_out.len()
            )
        })
    }
}
