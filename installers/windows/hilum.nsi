; The Windows installer (NSIS 3): makensis -DVERSION=0.1.0 -DPROGRAM=hilum.exe -DLAUNCHER=hilumw.exe -DOUT=Hilum-0.1.0-setup.exe hilum.nsi
; Installs for one person, without asking for an administrator, and removes what it installed, but nothing that a
; person made with the program.

Unicode true
SetCompressor /SOLID lzma
RequestExecutionLevel user
ManifestDPIAware true

!include "MUI2.nsh"
!include "FileFunc.nsh"

!ifndef VERSION
  !error "say -DVERSION=…"
!endif
!ifndef PROGRAM
  !error "say -DPROGRAM=…, the built hilum.exe"
!endif
!ifndef LAUNCHER
  !error "say -DLAUNCHER=…, the built hilumw.exe"
!endif
!ifndef OUT
  !define OUT "Hilum-${VERSION}-setup.exe"
!endif

Name "Hilum ${VERSION}"
OutFile "${OUT}"
InstallDir "$LOCALAPPDATA\Programs\Hilum"
InstallDirRegKey HKCU "Software\Hilum" "Folder"
BrandingText "For research use; not for diagnosis"
VIProductVersion "${VERSION}.0"
VIAddVersionKey "ProductName" "Hilum"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "FileDescription" "Segmentation workstation"
VIAddVersionKey "LegalCopyright" "MIT or Apache-2.0"

!define MUI_ICON "..\icon\hilum.ico"
!define MUI_UNICON "..\icon\hilum.ico"
!define MUI_FINISHPAGE_RUN "$INSTDIR\hilumw.exe"
!insertmacro MUI_PAGE_WELCOME
!insertmacro MUI_PAGE_LICENSE "..\..\LICENSE-MIT"
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"

!define REMOVAL "Software\Microsoft\Windows\CurrentVersion\Uninstall\Hilum"

; "Open with Hilum" for an ending, beside what opens it now.
!macro OfferFor ENDING
  WriteRegStr HKCU "Software\Classes\${ENDING}\OpenWithProgids" "Hilum.Image" ""
!macroend
!macro NoLongerOfferFor ENDING
  DeleteRegValue HKCU "Software\Classes\${ENDING}\OpenWithProgids" "Hilum.Image"
!macroend

Section "Hilum" SectionProgram
  SectionIn RO
  SetOutPath "$INSTDIR"
  File "/oname=hilum.exe" "${PROGRAM}"
  ; Without a console, for the menu and for files.
  File "/oname=hilumw.exe" "${LAUNCHER}"
  File "..\icon\hilum.ico"
  File "..\..\LICENSE-MIT"
  File "..\..\LICENSE-APACHE"
  File "..\..\CHANGELOG.md"
!ifdef SBOM
  File "/oname=hilum.cdx.json" "${SBOM}"
!endif
  CreateShortcut "$SMPROGRAMS\Hilum.lnk" "$INSTDIR\hilumw.exe" "" "$INSTDIR\hilum.ico"
  WriteRegStr HKCU "Software\Hilum" "Folder" "$INSTDIR"
  WriteUninstaller "$INSTDIR\remove.exe"
  ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
  WriteRegStr HKCU "${REMOVAL}" "DisplayName" "Hilum"
  WriteRegStr HKCU "${REMOVAL}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${REMOVAL}" "DisplayIcon" "$INSTDIR\hilum.ico"
  WriteRegStr HKCU "${REMOVAL}" "UninstallString" '"$INSTDIR\remove.exe"'
  WriteRegStr HKCU "${REMOVAL}" "QuietUninstallString" '"$INSTDIR\remove.exe" /S'
  WriteRegDWORD HKCU "${REMOVAL}" "EstimatedSize" $0
  WriteRegDWORD HKCU "${REMOVAL}" "NoModify" 1
  WriteRegDWORD HKCU "${REMOVAL}" "NoRepair" 1
SectionEnd

Section "Open images with Hilum (menu of a file)" SectionOffer
  WriteRegStr HKCU "Software\Classes\Hilum.Image" "" "Medical image"
  WriteRegStr HKCU "Software\Classes\Hilum.Image\DefaultIcon" "" "$INSTDIR\hilum.ico"
  WriteRegStr HKCU "Software\Classes\Hilum.Image\shell\open\command" "" '"$INSTDIR\hilumw.exe" "%1"'
  !insertmacro OfferFor ".dcm"
  !insertmacro OfferFor ".nii"
  !insertmacro OfferFor ".gz"
  !insertmacro OfferFor ".nrrd"
  !insertmacro OfferFor ".nhdr"
  !insertmacro OfferFor ".mha"
  !insertmacro OfferFor ".mhd"
SectionEnd

Section "un.Hilum"
  !insertmacro NoLongerOfferFor ".dcm"
  !insertmacro NoLongerOfferFor ".nii"
  !insertmacro NoLongerOfferFor ".gz"
  !insertmacro NoLongerOfferFor ".nrrd"
  !insertmacro NoLongerOfferFor ".nhdr"
  !insertmacro NoLongerOfferFor ".mha"
  !insertmacro NoLongerOfferFor ".mhd"
  DeleteRegKey HKCU "Software\Classes\Hilum.Image"
  DeleteRegKey HKCU "${REMOVAL}"
  DeleteRegKey HKCU "Software\Hilum"
  Delete "$SMPROGRAMS\Hilum.lnk"
  Delete "$INSTDIR\hilum.exe"
  Delete "$INSTDIR\hilumw.exe"
  Delete "$INSTDIR\hilum.ico"
  Delete "$INSTDIR\hilum.cdx.json"
  Delete "$INSTDIR\LICENSE-MIT"
  Delete "$INSTDIR\LICENSE-APACHE"
  Delete "$INSTDIR\CHANGELOG.md"
  Delete "$INSTDIR\remove.exe"
  RMDir "$INSTDIR"
SectionEnd
