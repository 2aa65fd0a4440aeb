"""The one exception tree. Every door (page, API, command line) turns these into its own form of answer."""


class InstantIDError(Exception):
    """Something the caller can understand and cure.

    Args:
        message: one sentence on what is wrong, in plain words; never contains a photo, an embedding or a secret.
        field: name of the request field (or the file) at fault, when there is one.
        cure: one sentence on what to do about it.
    """

    code = "error"

    def __init__(self, message: str, *, field: str | None = None, cure: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message} {self.cure}" if self.cure else self.message


class InputError(InstantIDError):
    """The request itself is at fault; sent again unchanged it fails again."""

    code = "invalid_input"


class PhotoError(InputError):
    """A picture could not be read: foreign, truncated, too large, too small."""

    code = "invalid_photo"


class NoFaceFound(InputError):
    """A picture was read but no face was found in it, whatever was tried."""

    code = "no_face"


class RequestError(InputError):
    """A setting is out of range or two settings contradict each other."""

    code = "invalid_request"


class WrongWidth(RequestError):
    """A template has more or fewer numbers than are read where it was given; another adapter may read it."""


class WeightsError(InstantIDError):
    """Weights are missing, incomplete or not what they should be."""

    code = "weights"


class WeightsMissing(WeightsError):
    """A file is not on this machine and was not, or could not be, downloaded."""

    code = "weights_missing"


class WeightsCorrupt(WeightsError):
    """A file is on this machine but its size, hash, keys or shapes are wrong."""

    code = "weights_corrupt"


class Cancelled(InstantIDError):
    """The caller stopped the request."""

    code = "cancelled"


class OutOfMemory(InstantIDError):
    """The device ran out of memory."""

    code = "out_of_memory"


class BrokenPicture(InstantIDError):
    """The networks gave no picture: not a number where a colour should be."""

    code = "broken_picture"


class Diverged(InstantIDError):
    """A training came to numbers that are none."""

    code = "diverged"


class QueueFull(InstantIDError):
    """As many requests wait as may wait; sent again later it can succeed."""

    code = "queue_full"


class KeyReused(InputError):
    """An idempotency key came back with another request."""

    code = "idempotency_key_reused"


class StoreUnavailable(InstantIDError):
    """The database that holds jobs and results cannot be reached, or has no room."""

    code = "store_unavailable"


class ServiceError(InstantIDError):
    """The service does not take this request now, or not from this caller."""

    code = "service"


class TooLarge(ServiceError):
    """The request has more bytes than are taken."""

    code = "too_large"


class TooSlow(ServiceError):
    """The request's body did not arrive in the time it had."""

    code = "too_slow"


class WrongMediaType(ServiceError):
    """The body is not of the kind that is read here."""

    code = "wrong_media_type"


class KeyNeeded(ServiceError):
    """No key, or one that is not known."""

    code = "key_needed"


class ForeignOrigin(ServiceError):
    """A web page of somewhere else sent the request."""

    code = "foreign_origin"


class NotThere(ServiceError):
    """There is no such thing, or it is somebody else's."""

    code = "not_found"


class NotReady(ServiceError):
    """The weights are still on their way, or could not be loaded."""

    code = "not_ready"


class DeadlinePassed(ServiceError):
    """The job was not done in the time it had."""

    code = "deadline_exceeded"
