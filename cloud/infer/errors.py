"""Errors of inference (step 11). The tree:

    InferError
      EngineBusy       try again after a while
      ModelUnknown     the repository has no such model
      ModelInvalid     a model, its files or its answer are not what they must be; a person must look
      InputInvalid     the caller broke the model's signature
      ImageUnreadable  these bytes are not a still that can be read; repeating does not help
      PictureUnavailable  the reading has nothing that this picture could show

No message holds pixel values, tag values or anything else of a patient.
"""

from __future__ import annotations


class InferError(Exception):
    """Reading an image failed. The subclasses say what to do about it."""


class EngineBusy(InferError):
    """The engine's queue is full: nothing was started; ask again after `after_s` seconds."""

    def __init__(self, after_s: float) -> None:
        super().__init__(f"the engine is busy; ask again after {after_s:.3f} s")
        self.after_s = after_s


class ModelUnknown(InferError):
    """The engine serves no model of this name."""

    def __init__(self, model: str) -> None:
        super().__init__(f"the engine serves no model named {model!r}")
        self.model = model


class ModelInvalid(InferError):
    """A model cannot be used: its folder, its weights or its answer break the rule that `reason` names."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"model {model!r}: {reason}")
        self.model = model
        self.reason = reason


class InputInvalid(InferError):
    """The arrays given to a model break its signature; `reason` names the array, what it is and what it must
    be."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ImageUnreadable(InferError):
    """The bytes are not a still that the line reads; `reason` is a sentence without patient data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PictureUnavailable(InferError):
    """The picture that was asked for does not exist for this reading; `reason` says what the reading
    lacks."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
