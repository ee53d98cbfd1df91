"""Names, variants, plug-ins and overrides: what is found, and what is said of what is not."""

import importlib.metadata
import subprocess
import sys

import pytest

from bench.agents import registry
from bench.agents.api import AgentConfig, Collection
from bench.agents.common.config import as_dict
from bench.agents.counter import TASKS
from bench.agents.decqn.config import DecQNConfig

TASK = TASKS["counter/vector-box"]


@pytest.fixture
def plugged(monkeypatch, tmp_path):
    """Install agents: a module's text, then entry points into it."""

    def plug(text: str = "", **points: str) -> None:
        (tmp_path / "plug.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        found = [importlib.metadata.EntryPoint(name, value, registry.GROUP) for name, value in points.items()]
        monkeypatch.setattr(registry, "_installed", lambda: found)

    yield plug
    sys.modules.pop("plug", None)


def resolved(label: str, **overrides: str) -> AgentConfig:
    spec, _, diff = registry.parse(label)
    return registry.resolve(spec, TASK, "tiny", diff, overrides)


def test_every_builtin_loads_and_listing_imports_no_torch():
    code = (
        "import sys; from bench.agents import registry; assert not registry.broken(); "
        "sys.exit(bool({'torch', 'omegaconf', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": ".link"}).returncode == 0
    for name in registry.names():
        assert registry.load(registry.get(name)).__name__


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ("decqnn", "unknown agent 'decqnn'. Did you mean 'decqn'? Known: contrastive_dreamer, dcmpc, decqn, "),
        ("decqn:sngle", "unknown variant of decqn 'sngle'. Did you mean 'single'?"),
        ("random:big", "unknown variant of random 'big'. Known: none."),
    ],
)
def test_a_wrong_name_gets_the_nearest_and_the_command(label, says):
    with pytest.raises(registry.UnknownAgent) as error:
        registry.parse(label)
    assert says in str(error.value)
    assert "bench " in str(error.value)


def test_variants_by_name_and_by_file(tmp_path):
    assert registry.parse("decqn:single")[1:] == ("single", {"double": False})
    assert resolved("decqn:single").double is False
    file = tmp_path / "wide.yaml"
    file.write_text("hidden: [512, 512, 512]\ncollection:\n  envs: 4\n")
    assert registry.parse(f"decqn:{file}")[1] == "wide"
    config = resolved(f"decqn:{file}")
    assert config.hidden == (512, 512, 512)
    assert config.collection == Collection(envs=4)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", "hello"])
def test_a_variant_file_that_is_no_mapping_is_refused(tmp_path, text):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(registry.ConfigError, match=r"bad\.yaml"):
        registry.parse(f"decqn:{file}")


def test_a_missing_variant_file_is_refused(tmp_path):
    with pytest.raises(registry.ConfigError, match="does not exist"):
        registry.parse(f"decqn:{tmp_path}/none.yaml")


def test_overrides_are_converted_and_come_last():
    config = resolved("decqn:single", learning_rate="3e-4", double="true", hidden="[8]", replay="100")
    assert isinstance(config, DecQNConfig)
    assert (config.learning_rate, config.double, config.hidden, config.replay) == (3e-4, True, (8,), 100)
    assert resolved("random", **{"collection.max_frames": "null", "collection.envs": "3"}).collection.envs == 3


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("learning_rat", "1", "unknown field 'learning_rat'. Did you mean 'learning_rate'"),
        ("collection.env", "1", "Did you mean 'collection.envs'"),
        ("learning_rate", "fast", "field 'learning_rate' of DecQNConfig takes float, not 'fast'"),
        ("batch", "2.5", "takes int, not 2.5"),
        ("double", "3", "takes bool, not 3"),
        ("hidden", "[a]", "takes tuple[int, ...], not ['a']"),
        ("batch", "null", "takes int, not None"),
        ("batch", "[1", "is not a YAML value"),
    ],
)
def test_a_wrong_override_is_a_sentence(field, value, says):
    with pytest.raises(registry.ConfigError) as error:
        resolved("decqn", **{field: value})
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("bench show decqn")


def test_configs_are_json_values():
    assert as_dict(resolved("decqn"))["hidden"] == [128, 128]
    assert as_dict(resolved("decqn"))["collection"]["envs"] == 1


def test_a_plug_in_is_an_agent(plugged):
    plugged(
        "from bench.agents.random.spec import spec\nfrom dataclasses import replace\nspec = replace(spec, name='mine')",
        mine="plug:spec",
    )
    assert "mine" in registry.names()
    assert registry.get("mine").name == "mine"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import not_there", "fails at import: ModuleNotFoundError: No module named 'not_there'"),
        ("1 / 0", "fails at import: ZeroDivisionError"),
        ("", "fails at import: AttributeError"),
        ("spec = 3", "is a int, not an AgentSpec"),
        ("from bench.agents.random.spec import spec", "calls itself 'random'"),
    ],
)
def test_a_broken_plug_in_is_a_reason_and_breaks_no_listing(plugged, text, says):
    plugged(text, mine="plug:spec")
    assert "mine" in registry.names()
    assert list(registry.broken()) == ["mine"]
    assert says in registry.broken()["mine"]
    with pytest.raises(registry.BrokenAgent, match="mine"):
        registry.get("mine")


def test_two_owners_of_one_name_are_both_named(plugged):
    plugged(random="plug:spec")
    with pytest.raises(registry.DuplicateAgent, match=r"bench \(bench.agents.random.spec:spec\) and .*\(plug:spec\)"):
        registry.names()
