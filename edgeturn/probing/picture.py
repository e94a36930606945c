"""All that one probe has found, for who prints it and who concludes from it."""

from dataclasses import dataclass, field

from edgeturn.diagnose.evidence import RELAY, IceError
from edgeturn.probing.behaviour import Behaviour
from edgeturn.probing.candidate import Gathered
from edgeturn.probing.gathering import Found, LookUp, Sight, Wanted


@dataclass
class Picture:
    """What was asked, what came of it; outer: what routers say of themselves, by this machine's IP address."""

    wanted: list[Wanted]
    gathered: list[Gathered] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)
    errors: list[IceError] = field(default_factory=list)
    look_ups: list[LookUp] = field(default_factory=list)
    behaviours: list[Behaviour] = field(default_factory=list)
    outer: dict[bytes, bytes] = field(default_factory=dict)
    stopped: bool = False  # before all was found

    def add(self, found: Found) -> None:
        """Keep what gathering tells."""
        if isinstance(found, Gathered):
            self.gathered.append(found)
        elif isinstance(found, Sight):
            self.sights.append(found)
        elif isinstance(found, LookUp):
            self.look_ups.append(found)
        else:
            self.errors.append(found)

    def unanswered(self) -> list[str]:
        """Return the URIs that gave nothing so far, no error either."""
        gave = {each.candidate.server for each in self.gathered} | {each.uri for each in self.sights}
        return [each.uri for each in self.wanted if each.uri not in gave and each.uri not in self.gave_nothing()]

    def relays(self) -> list[Gathered]:
        """Return the relay candidates."""
        return [each for each in self.gathered if each.candidate.kind == RELAY]

    def gave_nothing(self) -> list[str]:
        """Return the URIs that failed and gave neither a candidate nor an answer."""
        good = {each.candidate.server for each in self.gathered}
        good |= {each.uri for each in self.sights if not self._relays(each.uri)}
        failed = {each.uri for each in self.wanted if any(error.server.startswith(each.uri) for error in self.errors)}
        return [each.uri for each in self.wanted if each.uri in failed - good]

    def _relays(self, uri: str) -> bool:
        return any(each.relays for each in self.wanted if each.uri == uri)
