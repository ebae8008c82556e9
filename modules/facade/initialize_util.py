"""A1111's ``modules.initialize_util``."""
from modules.a1111.launch_names import gradio_server_name
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "fix_torch_version fix_asyncio_event_loop_policy restore_config_state_file validate_tls_options get_gradio_auth_creds dumpstacks configure_sigint_handler configure_opts_onchange setup_middleware configure_cors_middleware")
