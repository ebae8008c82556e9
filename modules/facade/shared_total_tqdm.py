"""A1111's ``modules.shared_total_tqdm``."""
from modules.a1111.shared_values import TotalTQDM
