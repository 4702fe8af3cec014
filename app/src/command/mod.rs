//! Everything a person can ask for.
//!
//! [`UiCommand`] names the things that menus, palette, shortcuts and buttons offer; its text, tool-tip and
//! shortcut stand in one table. [`Action`] also carries data. Widgets only emit actions; the one place that
//! applies them is [`crate::app`].

mod action;
mod edit_action;
mod edit_table;
mod looking;
mod remote_table;
mod table;
mod worklist_table;

pub use action::{
    Action, Actions, Consensus, DeidentifyAction, InspectAction, KeptAction, KeysAction, MeasureAction,
    PhotoAction, Preset, RemoteAction, SegmentAction, TeachAction, ViewAction, WorklistAction,
};
pub use edit_action::EditAction;
pub use table::Description;

/// How the entries of the palette begin that label the image with a model, whose identity follows.
pub const LABEL_IMAGE_WITH: &str = "Label image with";

use egui::KeyboardShortcut;

use crate::state::{KeyMap, shown_shortcut};

/// Writes the commands down once: the enum, the list of all of them, and the names under which settings know them.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A command without data.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum UiCommand {
            $($(#[$doc])* $name,)*
        }

        impl UiCommand {
            /// Every command in the order of the palette.
            pub const ALL: [Self; [$(UiCommand::$name),*].len()] = [$(Self::$name),*];

            /// Name in files of settings; it stays when the text changes.
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

commands! {
    /// Ask for an image file.
    OpenFile,
    /// Ask for a folder of DICOM files.
    OpenFolder,
    /// Search a server and fetch a series.
    OpenFromServer,
    /// Make the synthetic case.
    OpenSample,
    /// Ask for a folder with a project.
    OpenProject,
    /// List work that was kept without a project.
    KeptWork,
    /// Ask where to make a project.
    SaveProject,
    /// Choose a resolution or a part of a slide.
    ChoosePart,
    /// Open the next time point of a 4-D file.
    NextTimePoint,
    /// Open the time point before.
    PreviousTimePoint,
    /// Ask where to make a worklist.
    NewWorklist,
    /// Ask for the folder of a worklist.
    OpenWorklist,
    /// Close the worklist.
    CloseWorklist,
    /// Ask for images for the worklist.
    AddCases,
    /// Ask for a folder with images for the worklist.
    AddCaseFolder,
    /// Ask for a folder with what somebody else drew.
    ImportOutlines,
    /// Ask for a folder with masks of many cases.
    ImportCaseMasks,
    /// Ask where to write the masks of all cases that are done.
    ExportCaseMasks,
    /// Look at the next case that is not done.
    NextCase,
    /// The labels of the case are right.
    MarkCorrected,
    /// A second look confirmed them.
    MarkCaseReviewed,
    /// The case needs work again.
    ReopenCase,
    /// Judge networks on the case, or teach them with it.
    ToggleSetAside,
    /// Compare what several people drew.
    CompareOutlines,
    /// Teach the model of the worklist with its corrected cases.
    Teach,
    /// Let teaching rest, or go on.
    PauseTeaching,
    /// End teaching, or asking the network about all cases.
    StopTeaching,
    /// Put cases in order by what the network does not know.
    RankCases,
    /// Take the labels of a file over.
    ImportMask,
    /// Save the mask where it was saved before, or ask.
    Save,
    /// Ask where to save the mask.
    SaveAs,
    /// Store the labels on a server.
    StoreOnServer,
    /// Set up servers.
    Servers,
    /// Ask where to write the surfaces of the labels.
    ExportSurface,
    /// Take a picture of the views and ask where to save it.
    SavePicture,
    /// Copy the DICOM files of the image without names.
    Deidentify,
    /// Close the image.
    CloseImage,
    /// Close the window.
    Quit,
    /// Take the last step back.
    Undo,
    /// Take the step again.
    Redo,
    /// Look only.
    ToolNavigate,
    /// Click lesions.
    ToolPoint,
    /// Paint.
    ToolBrush,
    /// Erase.
    ToolEraser,
    /// Drag the ellipses of disc and cup.
    ToolEllipse,
    /// Measure a distance.
    ToolDistance,
    /// Measure an angle.
    ToolAngle,
    /// Remove all distances and angles.
    ClearRulers,
    /// Show or hide the table of measurements.
    ShowMeasurements,
    /// The table of measurements to the clipboard.
    CopyMeasurements,
    /// Write the table of measurements.
    SaveMeasurements,
    /// Read a mask and compare with it.
    CompareWithMask,
    /// The planes through the long axis of the active label.
    JumpToLongAxis,
    /// Switch between points that belong to the object and points that do not.
    ToggleSign,
    /// Switch between disc and ball.
    ToggleBall,
    /// A smaller brush.
    BrushSmaller,
    /// A larger brush.
    BrushLarger,
    /// Show or hide where the network looked.
    ShowAttention,
    /// Take the proposal over.
    Accept,
    /// Drop the proposal.
    Reject,
    /// Stop what runs.
    Cancel,
    /// CT window 1.
    Preset1,
    /// CT window 2.
    Preset2,
    /// CT window 3.
    Preset3,
    /// CT window 4.
    Preset4,
    /// CT window 5.
    Preset5,
    /// CT window 6.
    Preset6,
    /// Window from the percentiles of the image.
    AutoWindow,
    /// Show or hide all labels.
    ToggleMask,
    /// Smooth or nearest pixels.
    ToggleInterpolation,
    /// Show or hide the lines of the other planes.
    ToggleCrosshair,
    /// Show or hide the panels at the sides.
    TogglePanels,
    /// Fit the image to the views.
    ResetView,
    /// All three planes.
    LayoutAll,
    /// Only the axial plane.
    LayoutAxial,
    /// Only the coronal plane.
    LayoutCoronal,
    /// Only the sagittal plane.
    LayoutSagittal,
    /// Only the 3-D view.
    LayoutScene,
    /// Two planes.
    LayoutTwo,
    /// One view large, the others small.
    LayoutLarge,
    /// All planes and the 3-D view.
    LayoutFour,
    /// The view under the mouse becomes the large one.
    EnlargeView,
    /// The view under the mouse alone, or all views.
    MaximiseView,
    /// Surfaces in the 3-D view.
    SceneSurfaces,
    /// Maximum intensity in the 3-D view.
    SceneMip,
    /// The image as fog in the 3-D view.
    SceneVolume,
    /// Let slices run by.
    ToggleCine,
    /// To and fro, or from the first again.
    ToggleBounce,
    /// Planes can be turned with the mouse.
    TurnPlanes,
    /// No plane is turned.
    ResetPlanes,
    /// Keys act on the next plane.
    NextView,
    /// The crosshair a voxel to the left.
    CrosshairLeft,
    /// The crosshair a voxel to the right.
    CrosshairRight,
    /// The crosshair a voxel up.
    CrosshairUp,
    /// The crosshair a voxel down.
    CrosshairDown,
    /// The crosshair ten voxels to the left.
    CrosshairFarLeft,
    /// The crosshair ten voxels to the right.
    CrosshairFarRight,
    /// The crosshair ten voxels up.
    CrosshairFarUp,
    /// The crosshair ten voxels down.
    CrosshairFarDown,
    /// What a click with the tool would do at the crosshair.
    UseTool,
    /// One slice towards the start.
    PreviousSlice,
    /// One slice towards the end.
    NextSlice,
    /// Ten slices towards the start.
    PreviousSlices,
    /// Ten slices towards the end.
    NextSlices,
    /// First slice.
    FirstSlice,
    /// Last slice.
    LastSlice,
    /// The crosshair to the middle of the active label.
    CenterOnLabel,
    /// Edit the label before.
    PreviousLabel,
    /// Edit the label after.
    NextLabel,
    /// Add a label.
    AddLabel,
    /// Erase all voxels of the active label.
    ClearLabel,
    /// Paint voxels of a range of values.
    ToolThreshold,
    /// Paint up to edges.
    ToolAdaptive,
    /// Draw outlines by corners.
    ToolPolygon,
    /// Draw outlines by hand.
    ToolLasso,
    /// Take the last corner back.
    RemoveCorner,
    /// Grow along the image.
    OpGrow,
    /// Fill a clicked region.
    OpFill,
    /// Fill holes.
    OpHoles,
    /// Fill between slices.
    OpBetween,
    /// Keep, remove or split islands.
    OpIslands,
    /// Smooth by a median.
    OpMedian,
    /// Smooth all labels together.
    OpSmoothAll,
    /// Grow or shrink by a margin.
    OpMargin,
    /// Leave a shell.
    OpHollow,
    /// Combine two labels.
    OpLogic,
    /// Preview the operation again.
    PreviewAgain,
    /// Copy the mask to the next slice.
    CopyToNext,
    /// Copy the mask to the previous slice.
    CopyToPrevious,
    /// The next draw-over rule.
    NextDrawOver,
    /// Restrict edits to a range of values, or not.
    ToggleDrawRange,
    /// Let the network outline disc and cup.
    OutlineDisc,
    /// Let the network find vessels.
    OutlineVessels,
    /// Measure disc and cup in a picture that does not look like a fundus.
    MeasureAnyway,
    /// Choose a model that labels the whole image.
    LabelImage,
    /// It is the other eye.
    SwitchEye,
    /// The next way to see a photograph.
    NextEnhancement,
    /// The disc large.
    ZoomToDisc,
    /// A person has looked and agrees.
    MarkReviewed,
    /// The picture before.
    PreviousPicture,
    /// The picture after.
    NextPicture,
    /// Write the table of results.
    ExportTable,
    /// Write the page of a patient.
    SavePage,
    /// What is unusual about the image.
    ShowWarnings,
    /// The command palette.
    Palette,
    /// All keys.
    Shortcuts,
    /// The model browser.
    Models,
    /// Settings of look and mouse.
    Settings,
    /// Dark or light.
    ToggleTheme,
    /// Stronger colours.
    ToggleContrast,
    /// Speed and memory in the status bar.
    ToggleReadout,
    /// The mouse as in PACS viewers.
    MouseRadiology,
    /// The mouse as in ITK-SNAP.
    MouseItkSnap,
    /// The mouse as in 3D Slicer.
    MouseSlicer,
    /// Larger text.
    LargerText,
    /// Smaller text.
    SmallerText,
    /// About the program.
    About,
}

impl UiCommand {
    /// Name as shown in menus and palette.
    pub fn text(self) -> &'static str {
        self.description().text
    }

    /// The keys of the command in the words of the system, if it has any.
    pub fn shortcut_text(self, ctx: &egui::Context) -> Option<String> {
        KeyMap::of(ctx).keys(self).first().map(|keys| shown_shortcut(ctx, keys))
    }

    /// What it does, with its keys.
    pub fn tooltip(self, ctx: &egui::Context) -> String {
        let what = self.description().tooltip;
        match self.shortcut_text(ctx) {
            Some(keys) => format!("{what} ({keys})"),
            None => what.to_owned(),
        }
    }
}

/// Takes the key presses of this frame that belong to commands out of the input.
///
/// While a text field has the keyboard, keys that write text stay with it; while another widget than a view
/// (`is_view`) has it, so do the keys that operate widgets.
pub fn pressed(ctx: &egui::Context, is_view: impl Fn(egui::Id) -> bool) -> Vec<UiCommand> {
    let typing = ctx.text_edit_focused();
    let on_widget = ctx.memory(|memory| memory.focused()).is_some_and(|id| !is_view(id));
    let map = KeyMap::of(ctx);
    let mut keys: Vec<(KeyboardShortcut, UiCommand)> = UiCommand::ALL
        .into_iter()
        .flat_map(|command| map.keys(command).iter().map(move |key| (*key, command)))
        .filter(|(key, _)| !(typing && key.conflicts_with_text_editing()))
        .filter(|(key, _)| !(on_widget && operates_widgets(key)))
        .collect();
    // Surplus modifiers are ignored, so the combination with most of them asks first.
    keys.sort_by_key(|(key, _)| std::cmp::Reverse(modifier_count(key)));
    let mut found = Vec::new();
    // In the order in which they were pressed, however many came before this frame.
    ctx.input_mut(|input| {
        input.events.retain(|event| {
            let egui::Event::Key { key: pressed, modifiers, pressed: true, .. } = event else { return true };
            let fits = |key: &KeyboardShortcut| {
                key.logical_key == *pressed && modifiers.matches_logically(key.modifiers)
            };
            let command = keys.iter().find(|(key, _)| fits(key)).map(|(_, command)| *command);
            found.extend(command);
            command.is_none()
        });
    });
    found
}

fn operates_widgets(key: &KeyboardShortcut) -> bool {
    use egui::Key as K;
    let keys = [
        K::Enter,
        K::Space,
        K::ArrowUp,
        K::ArrowDown,
        K::ArrowLeft,
        K::ArrowRight,
        K::Home,
        K::End,
        K::PageUp,
        K::PageDown,
    ];
    key.modifiers.is_none() && keys.contains(&key.logical_key)
}

fn modifier_count(key: &KeyboardShortcut) -> u32 {
    let m = key.modifiers;
    [m.alt, m.ctrl || m.command, m.shift].into_iter().map(u32::from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::{Event, Key, Modifiers};
    use std::collections::BTreeSet;

    #[test]
    fn keys_run_commands_in_the_order_in_which_they_were_pressed() {
        let ctx = egui::Context::default();
        let press =
            |key, modifiers| Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers };
        let events = vec![
            press(Key::P, Modifiers::NONE),
            press(Key::Enter, Modifiers::COMMAND),
            press(Key::F12, Modifiers::NONE),
            press(Key::Z, Modifiers::COMMAND.plus(Modifiers::SHIFT)),
            press(Key::B, Modifiers::NONE),
        ];
        let mut found = Vec::new();
        let mut output = ctx.run_ui(egui::RawInput { events, ..Default::default() }, |ui| {
            found.extend(pressed(ui.ctx(), |_| true));
        });
        output.textures_delta.clear();
        use UiCommand as C;
        assert_eq!(found, [C::ToolPoint, C::UseTool, C::Redo, C::ToolBrush]);
    }

    #[test]
    fn every_command_is_listed_once_with_its_own_name_and_keys() {
        let all: BTreeSet<UiCommand> = UiCommand::ALL.into_iter().collect();
        assert_eq!(all.len(), UiCommand::ALL.len());
        let names: BTreeSet<&str> = all.iter().map(|c| c.text()).collect();
        assert_eq!(names.len(), all.len());
        let mut keys = BTreeSet::new();
        for command in all {
            assert!(!command.description().tooltip.is_empty());
            for key in command.description().keys {
                assert!(keys.insert(format!("{key:?}")), "{key:?} of {command:?} is used twice");
            }
        }
    }
}
