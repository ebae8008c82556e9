"""The extension's flags."""

from __future__ import annotations

import argparse


def preload(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--controlnet-dir", type=str, default=None, help="one more folder with ControlNet models")
    parser.add_argument("--controlnet-annotator-models-path", type=str, default=None, help="folder with the preprocessors' model folders")
    parser.add_argument("--no-half-controlnet", action="store_true", default=None, help="accepted; control models follow the checkpoint's precision")
    parser.add_argument("--controlnet-preprocessor-cache-size", type=int, default=16, help="accepted; has no effect")
    parser.add_argument("--controlnet-loglevel", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], help="accepted; has no effect")
    parser.add_argument("--controlnet-tracemalloc", action="store_true", default=None, help="accepted; has no effect")
