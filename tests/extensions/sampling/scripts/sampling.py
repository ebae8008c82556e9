from sampling_library import Sampling  # the class of a script may come from elsewhere in its extension
