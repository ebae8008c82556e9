"""A1111's ``modules.textual_inversion.textual_inversion``."""
from modules.a1111.stubs import stubbed
from modules.a1111.text_names import DirWithTextualInversionEmbeddings, Embedding, EmbeddingDatabase
from modules.a1111.training_names import (
    TextualInversionTemplate,
    create_embedding,
    create_embedding_from_data,
    list_textual_inversion_templates,
    textual_inversion_templates,
    train_embedding,
)
from modules.a1111.training_records import write_loss

__getattr__ = stubbed(__name__, "tensorboard_setup tensorboard_add tensorboard_add_scaler tensorboard_add_image validate_train_inputs save_embedding tensorboard_log_image")
