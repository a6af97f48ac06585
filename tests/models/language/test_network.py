"""The torch Llama is the one that the transformers library knows, and does what is asked beyond it."""

import math

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from models.language.export import load_llama, load_tokenizer
from models.language.network import AdaptedLinear, Llama
from models.language.weights import Shape

SMALL = Shape(layers=3, width=48, heads=6, key_heads=2, inner_width=80, vocabulary=97)
NAMES = {
    "token_embd.": "model.embed_tokens.",
    "output_norm.": "model.norm.",
    "blk.": "model.layers.",
    "attn_norm.": "input_layernorm.",
    "attn_q.": "self_attn.q_proj.",
    "attn_k.": "self_attn.k_proj.",
    "attn_v.": "self_attn.v_proj.",
    "attn_output.": "self_attn.o_proj.",
    "ffn_norm.": "post_attention_layernorm.",
    "ffn_gate.": "mlp.gate_proj.",
    "ffn_up.": "mlp.up_proj.",
    "ffn_down.": "mlp.down_proj.",
}
PROMPTS = (
    "The capital of France is",
    "Which of these is it?\nA. house sparrow\nB. tree sparrow\nAnswer:",
    "El gato negro duerme 1234 veces, 日本語.",
)


def reference(llama: Llama) -> LlamaForCausalLM:
    """Return the library's model with the same weights."""
    shape = llama.shape
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.inner_width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        max_position_embeddings=8192,
        rms_norm_eps=shape.norm_epsilon,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rotary_base},
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    model.load_state_dict({_renamed(name): value for name, value in llama.state_dict().items()}, strict=False)
    model.tie_weights()
    return model.eval()


def _renamed(name: str) -> str:
    for ours, theirs in NAMES.items():
        name = name.replace(ours, theirs)
    return name


def small(seed: int = 0) -> Llama:
    """Return a small model with weights of chance, adapters too."""
    generator = torch.Generator().manual_seed(seed)
    llama = Llama(SMALL, rank=4)
    with torch.no_grad():
        for name, value in llama.named_parameters():
            if "norm" not in name:
                value.copy_(torch.randn(value.shape, generator=generator) / math.sqrt(value.shape[-1]))
    return llama.eval()


def plain(
    llama: Llama, tokens: Tensor, *, images: Tensor | None = None, places: Tensor | None = None
) -> Tensor:
    """Return the log-probabilities of every token behind every token."""
    batch, size = tokens.shape
    positions = torch.arange(size).expand(batch, size)
    mask = torch.ones(size, size, dtype=torch.bool).tril().expand(batch, size, size)
    images = torch.zeros(batch, 1, llama.shape.width) if images is None else images
    places = torch.full_like(tokens, -1) if places is None else places
    choices = torch.arange(llama.shape.vocabulary).expand(batch, size, llama.shape.vocabulary)
    return llama(tokens, positions, mask, images, places, positions, choices)


@pytest.fixture(scope="module")
def llama() -> Llama:
    return load_llama()


def test_the_packaged_model_says_what_the_transformers_library_says(llama: Llama) -> None:
    tokenizer = load_tokenizer()
    other = reference(llama)
    for prompt in PROMPTS:
        tokens = torch.tensor([tokenizer.encode(prompt)])
        with torch.inference_mode():
            expected = other(tokens).logits.log_softmax(-1)
            found = plain(llama, tokens)
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_the_packaged_model_knows_the_capital_of_france(llama: Llama) -> None:
    tokenizer = load_tokenizer()
    with torch.inference_mode():
        found = plain(llama, torch.tensor([tokenizer.encode(PROMPTS[0])]))

    assert tokenizer.decode(found[0, -1].topk(1).indices.tolist()) == " Paris"


def test_new_adapters_change_nothing_and_trained_ones_do() -> None:
    tokens = torch.arange(12).reshape(2, 6)
    llama = small()
    with torch.inference_mode():
        trained = plain(llama, tokens)
        for layer in llama.modules():
            if isinstance(layer, AdaptedLinear):
                layer.up.zero_()
        new = plain(llama, tokens)
        expected = reference(llama)(tokens).logits.log_softmax(-1)

    torch.testing.assert_close(new, expected, atol=1e-4, rtol=0)
    assert (trained - new).abs().max() > 0.1


def test_unmerged_adapters_say_what_merged_ones_say() -> None:
    tokens = torch.arange(12).reshape(2, 6)
    llama = small()
    with torch.inference_mode():
        unmerged = plain(llama, tokens)
        for layer in llama.modules():
            if isinstance(layer, AdaptedLinear):
                layer.weight += 2.0 * layer.up @ layer.down
                layer.up.zero_()
        merged = plain(llama, tokens)

    torch.testing.assert_close(unmerged, merged, atol=1e-4, rtol=0)


def test_a_picture_token_is_read_where_its_place_is_and_its_word_is_not() -> None:
    llama = small()
    tokens = torch.tensor([[5, 6, 7, 8]])
    images = torch.randn(1, 2, SMALL.width, generator=torch.Generator().manual_seed(1))
    places = torch.tensor([[-1, 1, 0, -1]])
    with torch.inference_mode():
        found = plain(llama, tokens, images=images, places=places)
        words = llama.token_embd(tokens)
        words[0, 1:3] = images[0, [1, 0]]
        expected = reference_of_embedded(llama, words)
        other = plain(llama, torch.tensor([[5, 60, 70, 8]]), images=images, places=places)

    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(found, other)


def reference_of_embedded(llama: Llama, embedded: Tensor) -> Tensor:
    """Return what the library's model says of embeddings, the adapters merged into it."""
    merged = Llama(llama.shape, rank=4)
    merged.load_state_dict(llama.state_dict())
    for layer in merged.modules():
        if isinstance(layer, AdaptedLinear):
            layer.weight += 2.0 * layer.up @ layer.down
    return reference(merged)(inputs_embeds=embedded).logits.log_softmax(-1)


def test_padding_behind_a_row_changes_nothing() -> None:
    llama = small()
    with torch.inference_mode():
        alone = plain(llama, torch.tensor([[5, 6, 7]]))
        tokens = torch.tensor([[5, 6, 7, 0, 0], [9, 8, 7, 6, 5]])
        mask = torch.ones(5, 5, dtype=torch.bool).tril().repeat(2, 1, 1)
        mask[0, 3:] = torch.eye(5, dtype=torch.bool)[3:]
        padded = llama(
            tokens,
            torch.tensor([[0, 1, 2, 0, 0], [0, 1, 2, 3, 4]]),
            mask,
            torch.zeros(2, 1, SMALL.width),
            torch.full_like(tokens, -1),
            torch.tensor([[0, 1, 2], [0, 1, 2]]),
            torch.arange(SMALL.vocabulary).expand(2, 3, SMALL.vocabulary),
        )

    torch.testing.assert_close(padded[:1], alone, atol=1e-5, rtol=0)


def test_a_packed_tree_says_what_each_branch_says_alone() -> None:
    llama = small()
    prompt, branches = [3, 4, 5], ([10, 11], [20], [30, 31, 32])
    tokens = torch.tensor([prompt + [token for branch in branches for token in branch]])
    positions = torch.tensor([[0, 1, 2, 3, 4, 3, 3, 4, 5]])
    mask = torch.zeros(1, 9, 9, dtype=torch.bool)
    for start, end in ((0, 3), (3, 5), (5, 6), (6, 9)):
        mask[0, start:end, start:end] = torch.ones(end - start, end - start, dtype=torch.bool).tril()
        mask[0, start:end, :3] |= start > 0
    with torch.inference_mode():
        packed = llama(
            tokens,
            positions,
            mask,
            torch.zeros(1, 1, SMALL.width),
            torch.full_like(tokens, -1),
            torch.arange(9)[None],
            torch.arange(SMALL.vocabulary).expand(1, 9, SMALL.vocabulary),
        )
        starts = (3, 5, 6)
        for start, branch in zip(starts, branches, strict=True):
            alone = plain(llama, torch.tensor([prompt + branch]))[0, 3:]
            torch.testing.assert_close(packed[0, start : start + len(branch)], alone, atol=1e-5, rtol=0)


def test_only_adapters_learn_and_those_above_the_frozen_layers_alone() -> None:
    llama = small()
    tokens = torch.arange(8).reshape(2, 4)
    positions = torch.arange(4).expand(2, 4)
    mask = torch.ones(2, 4, 4, dtype=torch.bool).tril()
    embedded = llama.embed(tokens, torch.zeros(2, 1, SMALL.width), torch.full_like(tokens, -1))
    llama.logits(llama.hidden(embedded, positions, mask, positions[:, -1:], frozen=2)).sum().backward()

    learnt = {name for name, value in llama.named_parameters() if value.grad is not None}
    assert learnt == {name for name in llama.adapter() if name.startswith("blk.2.")}


def test_adapters_are_taken_whole_or_not_at_all() -> None:
    one, other = small(1), small(2)
    one.load_adapter(other.adapter())
    assert all((value == other.adapter()[name]).all() for name, value in one.adapter().items())

    with pytest.raises(ValueError, match="adapters"):
        one.load_adapter({"blk.0.attn_q.up": torch.zeros(48, 4)})
    with pytest.raises(ValueError, match="missing"):
        one.load_base({"token_embd.weight": torch.zeros(97, 48)})


def test_a_rounded_base_says_nearly_the_same_and_learns_adapters_in_full() -> None:
    llama, tokens = small(), torch.arange(12).reshape(2, 6)
    exact = plain(llama, tokens)
    llama.round_base()
    rounded = plain(llama, tokens)
    rounded[..., 0].sum().backward()

    torch.testing.assert_close(rounded, exact, atol=0.1, rtol=0)
    assert (rounded != exact).any()
    assert {value.grad.dtype for value in llama.adapter().values() if value.grad is not None} == {
        torch.float32
    }
