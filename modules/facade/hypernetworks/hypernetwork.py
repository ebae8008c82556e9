"""A1111's ``modules.hypernetworks.hypernetwork``."""
from modules.a1111.hypernetwork_names import apply_hypernetworks, list_hypernetworks
from modules.a1111.stubs import stubbed
from modules.a1111.training_names import create_hypernetwork, train_hypernetwork

__getattr__ = stubbed(__name__, "HypernetworkModule Hypernetwork load_hypernetwork load_hypernetworks apply_single_hypernetwork attention_CrossAttention_forward stack_conds statistics  save_hypernetwork optimizer_dict")
