"""A1111's ``modules.prompt_parser``."""
from modules.a1111.prompt_names import (
    ComposableScheduledPromptConditioning, DictWithShape, MulticondLearnedConditioning, ScheduledPromptConditioning, SdConditioning,
    get_learned_conditioning, get_learned_conditioning_prompt_schedules, get_multicond_learned_conditioning, get_multicond_prompt_list,
    parse_prompt_attention, re_AND, re_attention, re_break, re_weight, reconstruct_cond_batch, reconstruct_multicond_batch, stack_conds,
)  # fmt: skip
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "schedule_parser")
