"""Errors of inference (step 11). The tree:

    InferError
      EngineBusy       try again after a while
      EngineUnreachable  nobody answers where the engine is; try again after a while
      EngineLate       no answer within the deadline, though the engine lives
      EngineUnusable   the engine will not serve us, or is none; a person must look
      ModelUnknown     the repository has no such model
      ModelInvalid     a model, its files or its answer are not what they must be; a person must look
      InputInvalid     the caller broke the model's signature
      ImageUnreadable  these bytes are not a still that can be read; repeating does not help
      PictureUnavailable  the reading has nothing that this picture could show
      OutsideReference  a standard does not cover this age or size: there is no number to give
      ThresholdsInvalid  a site's thresholds cannot be used; a person must mend the file

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


class EngineUnreachable(InferError):
    """Nobody answers at `address`, or the answer was lost on the way: what was asked may have been computed, and
    asking again, after `after_s` seconds, gives the same."""

    def __init__(self, address: str, after_s: float, detail: str) -> None:
        super().__init__(f"the engine at {address} cannot be reached: {detail}")
        self.address = address
        self.after_s = after_s


class EngineLate(InferError):
    """A call of the model took longer than `deadline_s` seconds; the engine was told to drop it."""

    def __init__(self, model: str, deadline_s: float) -> None:
        super().__init__(f"the engine gave no answer of {model!r} within {deadline_s:g} s")
        self.model = model
        self.deadline_s = deadline_s


class EngineUnusable(InferError):
    """What answers at `address` will not serve us, or is no engine: asking again does not help."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"the engine at {address}: {reason}")
        self.address = address
        self.reason = reason


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


class OutsideReference(InferError):
    """The standard of `what` does not cover the age or size asked about; `covers` says what it does cover."""

    def __init__(self, what: str, covers: str) -> None:
        super().__init__(f"{what}: the reference covers {covers}")
        self.what = what
        self.covers = covers


class ThresholdsInvalid(InferError):
    """A scheme of thresholds cannot be used; the message names the key and what it must be."""
