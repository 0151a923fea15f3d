"""The models of a swarm in one folder: versions by hash, which of them serve, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from hw.clock import SystemClock
from learning.models.model import Exported
from learning.registry.blob import hash_of, read_blob, refused, write_blob
from learning.registry.chronicle import Chronicle, Told
from learning.registry.config import RegistryConfig
from learning.registry.files import DRAFT, Reached, nothing, replace, writing
from learning.registry.gates import check_gates
from learning.registry.history import Entry
from learning.registry.manifest import Gate, Manifest, decode_manifest, digest, encode_manifest, latest
from learning.registry.pointer import PPM, Pointer
from learning.registry.standing import CANARY, CANDIDATE, CHAMPION, RETIRED, Standing, Standings, held_against


class Registry:
    """Read and write a folder of versions; any number of processes may do both at once.

    Reading never waits and needs no lock. `reached` is told every point of a write at which a killed
    process would leave something behind: tests stop there.
    """

    def __init__(
        self,
        folder: Path,
        config: RegistryConfig | None = None,
        now_ns: Callable[[], int] | None = None,
        reached: Reached = nothing,
    ) -> None:
        self.folder, self.config = folder, config or RegistryConfig()
        self._now_ns = now_ns or SystemClock().now_ns
        self._reached, self._chronicle = reached, Chronicle(folder, reached)

    def pointer(self) -> Pointer:
        """Tell which versions serve."""
        return self._chronicle.pointer()

    def states(self) -> dict[str, Standing]:
        """Tell where every version stands, oldest first."""
        return dict(self._chronicle.standings().models)

    def history(self) -> list[Entry]:
        """Give the lines of the present history, oldest first."""
        return self._chronicle.entries()

    def blob(self, model: str) -> bytes:
        """Give a version's bytes, once they have its hash."""
        path = self._blob(model)
        try:
            blob = path.read_bytes()
        except FileNotFoundError:
            raise self._gone(model, path) from None
        if hash_of(blob, self._manifest(model)[0].schema) != model:
            raise refused("its hash is another: corrupt or cut off", "use another version", str(path))
        return blob

    def get(self, model: str) -> Exported:
        """Give a version as a model's arrays and settings."""
        return read_blob(self.blob(model))

    def show(self, model: str, states: Mapping[str, Standing] | None = None) -> Manifest:
        """Give all that is known of a version, with every gate it was held against.

        Who asks for many gives the states, which are the whole history read.
        """
        manifest, text = self._manifest(model)
        known = (self.states() if states is None else states).get(model)
        if known is None:
            return manifest
        if digest(text) != known.digest:
            raise refused("its hash is not the history's", "use another version", str(self._file(model)))
        return msgspec.structs.replace(manifest, gates=latest((*manifest.gates, *known.gates)))

    def put(self, exported: Exported, manifest: Manifest) -> str:
        """Keep a version as a candidate, and give its hash; one that is there already stays as it is."""
        blob = write_blob(exported, manifest.schema)
        model = hash_of(blob, manifest.schema)
        if manifest.model not in ("", model):
            raise refused(
                f"the manifest is of {manifest.model[:40]!a}, not of {model}", "leave its hash empty"
            )
        if manifest.kind != exported.kind:
            raise refused(f"the manifest says kind {manifest.kind[:40]!a}", f"it is {exported.kind!a}")
        text = encode_manifest(msgspec.structs.replace(manifest, model=model))
        with writing(self.folder / "lock"):
            told = self._told()
            if model not in told.standings.models:
                self._keep(model, blob, text)
                entry = self._entry("put", model, digest=digest(text), gates=manifest.gates)
                self._add(told, [entry])
        return model

    def judge(self, model: str, gates: Iterable[Gate]) -> None:
        """Note what a version was held against, for a later promotion."""
        with writing(self.folder / "lock"):
            told = self._told()
            self._standing(told, model)
            self._add(told, [self._entry("judge", model, gates=tuple(gates))])

    def promote(self, model: str, to: str, gates: Iterable[Gate] = (), share_ppm: int | None = None) -> None:
        """Make a version canary or champion, if it passed every gate that this takes.

        These gates count with those that were noted before, the last of each name.
        """
        with writing(self.folder / "lock"):
            told = self._told()
            standing = self._standing(told, model)
            every = held_against(told.standings, model, tuple(gates))
            check_gates(model, standing.state, to, told.standings.champion != "", every)
            self.blob(model)  # what cannot be read cannot serve
            share = self._share(share_ppm) if to == CANARY else 0
            entry = self._entry("promote", model, to=to, gates=every, share_ppm=share)
            self._add(told, [entry])

    def rollback(self, reason: str) -> str:
        """Bring back the champion before this one, withdraw the canary, and give who serves now."""
        with writing(self.folder / "lock"):
            told = self._told()
            back = told.standings.previous
            if back == "":
                raise refused("no version before this one", "promote another", str(self.folder))
            self.blob(back)
            self._add(told, [self._entry("rollback", back, reason=reason)])
        return back

    def retire(self, model: str, reason: str) -> None:
        """Withdraw a canary, or put a candidate aside."""
        with writing(self.folder / "lock"):
            told = self._told()
            if self._standing(told, model).state == CHAMPION:
                raise refused(f"{model} is the champion", "roll back", str(self.folder))
            self._add(told, [self._entry("retire", model, to=RETIRED, reason=reason)])

    def split(self, model: str, other: str, share_ppm: int) -> None:
        """Let two versions be compared: who is champion, and one that serves a share of its agents."""
        pointer = self.pointer()
        if pointer.champion not in (model, other) or model == other:
            arms = f"{model[:12]} and {other[:12]}"
            what = f"{arms} are one version" if model == other else f"neither of {arms} is the champion"
            champion = pointer.champion[:12] or "none yet: the first that passes its gates becomes it"
            raise refused(what, f"compare one with the champion ({champion})", str(self.folder))
        rival = other if model == pointer.champion else model
        if pointer.canary not in ("", rival):
            raise refused(
                f"{pointer.canary[:12]} is being compared already",
                "`swarm models stop` it first",
                str(self.folder),
            )
        self.promote(rival, CANARY, share_ppm=share_ppm)

    def stop(self, reason: str) -> str:
        """End the comparison: the champion serves all again. Give who was withdrawn."""
        canary = self.pointer().canary
        if canary == "":
            raise refused("no version is being compared", "see `swarm models ls`", str(self.folder))
        self.retire(canary, reason)
        return canary

    def mend(self) -> None:
        """Point to what a killed writer had finished, and remove what it had not."""
        with writing(self.folder / "lock"):
            self._add(self._told(), [])

    def _share(self, share_ppm: int | None) -> int:
        share = self.config.canary_ppm if share_ppm is None else share_ppm
        if not 0 < share <= PPM:
            raise refused(f"a canary cannot serve {share} ppm of agents", f"choose 1 to {PPM}")
        return share

    def _told(self) -> Told:
        return self._chronicle.told()

    def _add(self, told: Told, changes: list[Entry]) -> None:
        lines = self.config.history_lines_max
        told = self._chronicle.add(told, changes, lines)
        if beyond := self._beyond(told.standings):
            told = self._chronicle.add(told, [self._entry("prune", model) for model in beyond], lines)
        self._sweep(told.standings)

    def _beyond(self, standings: Standings) -> list[str]:
        """Name the versions that are too many."""
        kept = {standings.champion, standings.previous, standings.canary}
        found = []
        for state, most in ((RETIRED, self.config.retired_max), (CANDIDATE, self.config.candidates_max)):
            those = [
                (known.since_ns, place, model)
                for place, (model, known) in enumerate(standings.models.items())
                if known.state == state and model not in kept
            ]
            found += [model for _, _, model in sorted(those)[:-most]]
        return found

    def _sweep(self, standings: Standings) -> None:
        for folder in (self.folder / "blobs", self.folder / "manifests"):
            for path in folder.glob("*"):
                if path.name.endswith(DRAFT) or path.stem not in standings.models:
                    self._reached("sweep")
                    path.unlink(missing_ok=True)

    def _keep(self, model: str, blob: bytes, text: bytes) -> None:
        for path, content, name in ((self._blob(model), blob, "blob"), (self._file(model), text, "manifest")):
            path.parent.mkdir(exist_ok=True)
            replace(path, content, self._reached, name)

    def _manifest(self, model: str) -> tuple[Manifest, bytes]:
        path = self._file(model)
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            raise self._gone(model, path) from None
        manifest = decode_manifest(text, str(path))
        if manifest.model != model:
            raise refused(
                f"it is of {manifest.model[:40]!a}, not of {model}", "use another version", str(path)
            )
        return manifest, text

    def _standing(self, told: Told, model: str) -> Standing:
        known = told.standings.models.get(model)
        if known is None:
            raise self._unknown(model)
        return known

    def _entry(self, verb: str, model: str, **fields: object) -> Entry:
        return Entry(0, self._now_ns(), verb, model, "", **fields)  # type: ignore[arg-type]

    def _gone(self, model: str, path: Path) -> Exception:
        if model in self.states():
            return refused("it is gone", "copy it here again, or use another version", str(path))
        return self._unknown(model)

    def _unknown(self, model: str) -> Exception:
        return refused(f"no version {model[:40]!a}", "see `swarm models ls`", str(self.folder))

    def _blob(self, model: str) -> Path:
        return self.folder / "blobs" / f"{model}.safetensors"

    def _file(self, model: str) -> Path:
        return self.folder / "manifests" / f"{model}.json"
