import os

from modules.paths import models_path


def preload(parser):
    parser.add_argument("--hooks-dir", type=str, help="a folder of its own", default=os.path.join(models_path, "hooks"))
    parser.add_argument("--hooks-on", action="store_true")
    parser.add_argument("--no-half", action="store_true", help="one that is there already")
