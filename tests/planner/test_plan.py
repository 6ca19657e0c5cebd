"""What is picked among a few models on a small device, and what is said of the others."""

from __future__ import annotations

from msgspec.structs import replace

from edgellm.catalog.card import Catalog, ModelCard, ModelFile, Requires, Shape, Variant
from edgellm.hardware.profile import Bandwidth, Device, HardwareProfile, Memory
from edgellm.planner.footprint import Footprint, card_footprint
from edgellm.planner.goal import Goal, NoFit, Plan
from edgellm.planner.plan import plan
from edgellm.planner.runtime import Runtime
from edgellm.planner.speed import Measured
from edgellm.types import EngineOptions

GIB = 1024**3
CPU_ONLY = (Runtime("llama_cpp"),)
WITH_CUDA = (Runtime("llama_cpp", apis=("cpu", "cuda")),)


def card(id_: str, params: float, quality: float | None = 40, **changes: object) -> ModelCard:
    shape = Shape(layers=28, hidden=2048, heads=16, kv_heads=8, head_dim=128, vocab=32000, ffn=6144)
    shape = replace(shape, kv_bytes_per_token=114688, decode_params=int(params))
    variants = tuple(
        Variant("llama_cpp", quant, source="hf:o/r", files=(ModelFile(f"{quant}.gguf", size),))
        for quant, bits in (("Q4_K_M", 4.89), ("Q8_0", 8.5))
        if (size := int(params * bits / 8))
    )
    made = ModelCard(id_, int(params), 32768, "MIT", shape, variants, quality=quality)
    return replace(made, **changes)


SMALL, MIDDLE, LARGE = card("small", 0.6e9, 40), card("middle", 1.7e9, 45), card("large", 8e9, 56)
CATALOG = Catalog((SMALL, MIDDLE, LARGE))
BOARD = HardwareProfile(
    memory=Memory(8 * GIB, 7 * GIB), bandwidth=Bandwidth(20e9, "measured"), os="linux"
)
ANYTHING = Goal()
GPU = Device("gpu", "nvidia", "Big GPU", "dedicated", 12 * GIB, 11 * GIB, ("cuda",))


def make(
    goal: Goal = ANYTHING,
    catalog: Catalog = CATALOG,
    profile: HardwareProfile = BOARD,
    runtimes: tuple[Runtime, ...] = CPU_ONLY,
    measured: tuple[Measured, ...] = (),
) -> Plan | NoFit:
    return plan(profile, catalog, goal, runtimes, card_footprint, measured=measured)


def picked(found: Plan | NoFit) -> str:
    assert isinstance(found, Plan)
    return f"{found.card.id}:{found.variant.quant}"


def reason(found: Plan | NoFit, model: str, quant: str = "Q4_K_M") -> tuple[str, str]:
    (only,) = (r for r in found.rejected if (r.model, r.quant) == (model, quant))
    return only.code, only.reason


def test_the_best_that_keeps_up_with_a_reader() -> None:
    found = make()
    assert picked(found) == "middle:Q8_0"
    assert isinstance(found, Plan)
    assert (found.context, found.parallel, found.place.name) == (8192, 4, "CPU")
    assert reason(found, "large")[0] == "speed"
    assert reason(found, "large", "Q8_0")[0] == "memory"
    assert reason(found, "small")[0] == "rank"
    assert len(found.rejected) == 5


def test_preferences() -> None:
    assert picked(make(Goal(prefer="speed"))) == "small:Q4_K_M"
    assert picked(make(Goal(prefer="memory"))) == "small:Q4_K_M"
    assert picked(make(Goal(min_tokens_per_second=2))) == "large:Q4_K_M"


def test_where_nothing_keeps_up_the_fastest_is_picked_and_says_so() -> None:
    slow = replace(BOARD, bandwidth=Bandwidth(1e9, "measured"))
    found = make(profile=slow)
    assert picked(found) == "small:Q4_K_M"
    assert isinstance(found, Plan)
    assert any("slower than 5" in words for words in found.reasons)


def test_a_speed_that_was_asked_for_is_a_condition() -> None:
    found = make(Goal(min_tokens_per_second=500))
    assert isinstance(found, NoFit)
    assert {r.code for r in found.rejected} == {"speed", "memory"}
    assert any(words.startswith("--min-tps ") for words in found.suggestions)


def test_a_context_shrinks_unless_it_was_asked_for() -> None:
    tight = replace(BOARD, memory=Memory(2 * GIB, 1 * GIB))
    alone = Catalog((SMALL,))
    found = make(catalog=alone, profile=tight)
    assert isinstance(found, Plan)
    assert found.context == 2048
    assert any("2,048 tokens: it does not fit with more" in words for words in found.reasons)
    refused = make(Goal(context=8192), alone, tight)
    assert isinstance(refused, NoFit)
    assert reason(refused, "small")[1] == "needs 1.4 GiB of memory; 0.8 GiB can be used"
    assert any(words.startswith("--context 2048 fits small") for words in refused.suggestions)
    quantised = make(Goal(context=4096, kv_type="q8_0"), alone, tight)
    assert isinstance(quantised, Plan)
    assert (quantised.context, quantised.kv_type) == (4096, "q8_0")


def test_no_context_beyond_what_the_model_was_trained_for() -> None:
    found = make(Goal(model="small", context=40000))
    assert isinstance(found, NoFit)
    assert reason(found, "small") == ("context", "holds 32,768 tokens at most")


def test_parallel_sequences_that_were_asked_for_hold_whole_contexts() -> None:
    found = make(Goal(model="small", context=4096, parallel=3))
    assert isinstance(found, Plan)
    assert (found.parallel, found.cells) == (3, 3 * 4096)
    assert found.options.cells == 3 * 4096
    refused = make(Goal(model="small", context=8192, parallel=16))
    assert isinstance(refused, NoFit)
    assert any("--parallel 1 fits" in words for words in refused.suggestions)


def test_a_named_model_that_does_not_fit_is_refused_with_a_smaller_one() -> None:
    tight = replace(BOARD, memory=Memory(4 * GIB, 3 * GIB))
    found = make(Goal(model="large"), profile=tight)
    assert isinstance(found, NoFit)
    assert {r.model for r in found.rejected} == {"large"}
    assert any("next smaller model, middle:" in words for words in found.suggestions)
    forced = make(Goal(model="large", quant="Q4_K_M", is_forced=True), profile=tight)
    assert picked(forced) == "large:Q4_K_M"
    assert isinstance(forced, Plan)
    assert "It was forced" in forced.reasons[0]
    nameless = make(Goal(is_forced=True), profile=tight)
    assert isinstance(nameless, Plan)
    assert "It was forced" not in nameless.reasons[0]


def test_where_no_single_change_helps_all_are_dropped() -> None:
    tight = replace(BOARD, memory=Memory(8 * GIB, int(6.2 * GIB)))
    found = make(Goal(context=30000, parallel=64), Catalog((LARGE,)), tight)
    assert isinstance(found, NoFit)
    (only,) = found.suggestions
    assert only.startswith("without --context and --parallel, large:")


def test_where_nothing_fits_the_built_in_model_does() -> None:
    asset = Variant("llama_cpp", "F16", asset="tiny.gguf")
    shape = replace(SMALL.shape, kv_bytes_per_token=3584, decode_params=0)
    tiny = ModelCard("tiny", 6_000_000, 2048, "MIT", shape, (asset,))
    docker = replace(BOARD, memory=Memory(8 * GIB, GIB // 2, limit_bytes=GIB // 2))
    found = make(catalog=Catalog((tiny, *CATALOG.models)), profile=docker)
    assert isinstance(found, NoFit)
    assert found.suggestions[-1].startswith("the built-in model, tiny, fits")


def test_a_cgroup_leaves_less() -> None:
    limited = replace(BOARD, memory=Memory(8 * GIB, int(1.9 * GIB), limit_bytes=2 * GIB))
    assert picked(make(profile=limited)).startswith(("small", "middle"))
    assert reason(make(profile=limited), "large")[0] == "memory"


def test_memory_that_is_not_known_is_no_memory() -> None:
    found = make(profile=replace(BOARD, memory=Memory()))
    assert isinstance(found, NoFit)
    assert reason(found, "small") == ("memory", "how much memory is free is not known")
    assert found.suggestions == ()


def test_what_nobody_gets_without_naming_it() -> None:
    others = Catalog(
        (
            card("coder", 1e9, 90, is_general=False),
            card("unknown", 1e9, None),
            card("bought", 1e9, 90, commercial=False),
            card("vectors", 1e9, 90, task="embedding"),
            SMALL,
        )
    )
    found = make(catalog=others)
    assert picked(found).startswith("small")
    codes = {model: reason(found, model)[0] for model in ("coder", "unknown", "bought", "vectors")}
    assert codes == {"coder": "purpose", "unknown": "score", "bought": "licence", "vectors": "task"}
    for name in ("coder", "unknown", "bought"):
        assert picked(make(Goal(model=name), others)).startswith(name)
    only = make(catalog=Catalog((card("bought", 1e9, 90, commercial=False),)))
    assert picked(only).startswith("bought")
    assert isinstance(only, Plan)
    assert any("restricts commercial use" in words for words in only.reasons)


def test_a_gpu_takes_all_layers_or_as_many_as_fit() -> None:
    fast = replace(BOARD, bandwidth=Bandwidth(60e9, "measured"))
    profile = replace(fast, devices=(GPU,))
    found = make(profile=profile, runtimes=WITH_CUDA)
    assert isinstance(found, Plan)
    assert (found.card.id, found.place.name, found.gpu_layers) == ("large", "Big GPU", 29)
    small_gpu = replace(GPU, memory_bytes=6 * GIB, available_bytes=int(4.5 * GIB))
    part = make(
        Goal(model="large"),
        profile=replace(fast, devices=(small_gpu,)),
        runtimes=WITH_CUDA,
    )
    assert isinstance(part, Plan)
    assert 0 < part.gpu_layers < 29
    assert part.room.device_bytes is not None
    assert part.memory.dedicated <= part.room.device_bytes
    assert any("the others do not fit there" in words for words in part.reasons)


def test_an_accelerator_that_idles_is_explained() -> None:
    found = make(profile=replace(BOARD, devices=(GPU,)))
    assert isinstance(found, Plan)
    assert "Not used: Big GPU (llama_cpp was built without cuda)." in found.reasons


def test_a_unified_gpu_takes_main_memory() -> None:
    unified = replace(GPU, memory_kind="unified", memory_bytes=None, available_bytes=None)
    tight = replace(BOARD, memory=Memory(4 * GIB, 3 * GIB), devices=(unified,))
    found = make(Goal(model="large"), profile=tight, runtimes=WITH_CUDA)
    assert isinstance(found, NoFit)
    assert reason(found, "large")[0] == "memory"


def test_runtimes_that_are_missing() -> None:
    mlc = Variant("mlc", "q4f16_1", source="hf:o/r", memory_bytes=GIB)
    hailo = Variant(
        "hailo",
        "a8w4",
        source="https://h",
        context=2048,
        tokens_per_second=7.0,
        expected_bytes=GIB,
        requires=Requires("hailo10h", "HailoRT 5.1"),
    )
    only = Catalog((replace(SMALL, variants=(mlc, hailo)),))
    found = make(catalog=only)
    assert reason(found, "small", "q4f16_1") == ("runtime", "the runtime mlc is not installed")
    unserved = make(catalog=only, runtimes=(Runtime("mlc", is_served=False),))
    assert reason(unserved, "small", "q4f16_1")[1] == "edgellm does not serve with mlc yet"
    npu = Device("npu", "hailo", "Hailo-10H", "dedicated", 8 * GIB, apis=("hailo",), driver="5.2.0")
    both = (Runtime("mlc", apis=("cuda",)), Runtime("hailo", apis=("hailo",)))
    wrong = make(catalog=only, profile=replace(BOARD, devices=(npu,)), runtimes=both)
    assert reason(wrong, "small", "a8w4") == ("device", "needs HailoRT 5.1; here is 5.2.0")
    right = replace(BOARD, devices=(replace(npu, driver="5.1.1", architecture="HAILO10H"),))
    found = make(catalog=only, profile=right, runtimes=both)
    assert isinstance(found, Plan)
    assert (found.place.api, found.context, found.parallel) == ("hailo", 2048, 1)
    assert found.decode_tokens_per_second == 7.0


def test_what_was_measured_here_corrects_the_prediction() -> None:
    before = make(Goal(model="small", quant="Q4_K_M"))
    assert isinstance(before, Plan)
    half = Measured("small", "Q4_K_M", "llama_cpp", "", 10.0, 5.0)
    after = make(Goal(model="small", quant="Q4_K_M"), measured=(half,))
    assert isinstance(after, Plan)
    assert after.decode_tokens_per_second == before.decode_tokens_per_second / 2


def test_only_what_may_fit_is_estimated() -> None:
    asked = []

    def estimate(
        card: ModelCard, variant: Variant, options: EngineOptions, layers: int
    ) -> Footprint:
        asked.append((card.id, variant.quant))
        return card_footprint(card, variant, options, layers)

    found = plan(BOARD, CATALOG, Goal(), CPU_ONLY, estimate)
    assert ("large", "Q8_0") not in asked
    assert ("middle", "Q8_0") in asked
    assert found == make()


def test_a_plan_is_the_same_each_time() -> None:
    assert make() == make()
