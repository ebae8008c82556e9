"""A1111's ``modules.progress``."""
from modules.a1111.queued_calls import add_task_to_queue, create_task_id, finish_task, last_task_id, progress_value, record_results, restore_progress, start_task
from modules.a1111.stubs import stubbed

recorded_results: list = []
__getattr__ = stubbed(__name__, "progressapi ProgressResponse ProgressRequest PendingTasksResponse get_pending_tasks setup_progress_api recorded_results_limit", progress_value)
