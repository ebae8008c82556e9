"""A1111's ``modules.progress``."""
from modules.a1111.queued_calls import add_task_to_queue, create_task_id, finish_task, last_task_id, progress_value, record_results, restore_progress, start_task
from modules.a1111.app_slot import current
from modules.a1111.stubs import stubbed
from modules.rest_api.internal_routes import ProgressRequest, internal_progress
from modules.rest_api.internal_routes import TaskProgress as ProgressResponse

recorded_results: list = []
InternalProgressResponse = ProgressResponse
__getattr__ = stubbed(__name__, "PendingTasksResponse get_pending_tasks setup_progress_api recorded_results_limit", progress_value)


def progressapi(req: ProgressRequest) -> ProgressResponse:
    """For an extension's page that asks under an address of its own."""
    return ProgressResponse(**internal_progress(current(), req))
