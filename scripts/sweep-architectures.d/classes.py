"""The model classes that the sweep makes: one for each class in transformers' mappings of tasks."""

from transformers.models.auto import configuration_auto, modeling_auto

MAPPINGS = [
    "CAUSAL_LM", "IMAGE_TEXT_TO_TEXT", "MULTIMODAL_LM", "SEQ_TO_SEQ_CAUSAL_LM", "MASKED_LM", "SPEECH_SEQ_2_SEQ", "CTC",
    "RNNT", "TDT", "PRETRAINING", "TEXT_TO_WAVEFORM", "TEXT_TO_SPECTROGRAM", "SEQUENCE_CLASSIFICATION",
    "IMAGE_CLASSIFICATION", "AUDIO_CLASSIFICATION",
]


def model_classes():
    """(name of the class, model type, mapping), each class once, in the order of the mappings."""
    found = {}
    for mapping in MAPPINGS:
        for model_type, names in getattr(modeling_auto, f"MODEL_FOR_{mapping}_MAPPING_NAMES").items():
            for name in names if isinstance(names, (tuple, list)) else [names]:
                found.setdefault(name, (name, model_type, mapping))
    return list(found.values())


def config_name(model_type):
    return configuration_auto.CONFIG_MAPPING_NAMES[model_type]
