"""BERT against transformers, with random weights: every layer, all ends, gradients."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests.references import torch
from zoo.convert.files import flat
from zoo.sequence import bert

B, T, D, V = 3, 7, 8, 23
SMALL = dict(
    vocabulary=V, features=D, heads=2, hidden=12, layers=3, longest=9, dropout=0.0
)


@pytest.fixture(scope="module")
def theirs():
    import transformers  # late: after torchvision, which tests.references repairs

    config = transformers.BertConfig(
        vocab_size=V, hidden_size=D, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=12, max_position_embeddings=9, attn_implementation="eager",
    )  # fmt: skip
    torch.manual_seed(0)
    nets = transformers.BertModel(config), transformers.BertForMaskedLM(config)
    for net in nets:
        net.double().eval()
        for p in net.parameters():
            torch.nn.init.normal_(p, std=0.5)
    return nets


def given():
    rng = np.random.default_rng(0)
    mask = np.arange(T) < np.array([[7], [4], [1]])
    # Token 0 is padding to them: what is read of it passes no gradient to its row.
    tokens, types = rng.integers(1, V, (B, T)), rng.integers(0, 2, (B, T))
    return tokens, mask, types, rng.normal(size=(B, T, V)), rng.normal(size=(B, D))


def converted(model, net):
    x = {"tokens": jax.ShapeDtypeStruct((1, T), jnp.int32)}
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    shapes = jax.tree.map(lambda s: jax.ShapeDtypeStruct(s.shape, "float64"), shapes)
    weights = {k: v.numpy() for k, v in net.state_dict().items()}
    return zoo.convert.assign(weights, shapes, bert.RULES)


def test_hidden_states_and_pooled(theirs):
    """After the embeddings and every layer; [CLS] pooled, and the mean, by hand."""
    net, (tokens, mask, types, *_) = theirs[0], given()
    with torch.no_grad():
        expected = net(
            torch.tensor(tokens),
            attention_mask=torch.tensor(mask).long(),
            token_type_ids=torch.tensor(types),
            output_hidden_states=True,
        )
    stages = []

    def watch(next_function, args, kwargs, context):
        if context.module.name == "stack" and context.method_name == "__call__":
            stages.append(args[0])
        y = next_function(*args, **kwargs)
        if str(context.module.name).startswith("layer_"):
            if context.method_name == "__call__":
                stages.append(y[0])
        return y

    model = bert.BERT(**SMALL, output="pooled")

    @jax.jit
    def run(variables):
        stages.clear()
        x = {"tokens": tokens, "mask": mask, "types": types}
        with nn.intercept_methods(watch):
            pooled = model.apply(variables, x)
        found = list(stages)
        return pooled, found, bert.mean_of_tokens(found[-1], jnp.asarray(mask))

    with jax.enable_x64(True):
        pooled, found, mean = run(converted(model, net))
    assert len(found) == len(expected.hidden_states) == 4
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)
    for a, b in zip(found, expected.hidden_states, strict=True):
        close(np.asarray(a)[mask], b.numpy()[mask])
    close(pooled, expected.pooler_output)
    last = expected.last_hidden_state.numpy()
    want = np.stack([h[m].mean(0) for h, m in zip(last, mask, strict=True)])
    close(mean, want / np.linalg.norm(want, axis=1, keepdims=True))


def test_masked_tokens_and_their_gradients(theirs):
    """Logits, and the gradient of each leaf: ours is that of the converted names."""
    net, (tokens, mask, types, r, _) = theirs[1], given()
    logits = net(
        torch.tensor(tokens),
        attention_mask=torch.tensor(mask).long(),
        token_type_ids=torch.tensor(types),
    ).logits
    (logits * torch.tensor(r)).sum().backward()
    model = bert.BERT(**SMALL, output="tokens")
    x = {"tokens": tokens, "mask": mask, "types": types}

    @jax.jit
    def both(variables):
        def score(variables):
            y = model.apply(variables, x)
            return (y * r).sum(), y

        return jax.grad(score, has_aux=True)(variables)

    with jax.enable_x64(True):
        variables = converted(model, net)
        grads, y = both(variables)
        np.testing.assert_allclose(y, logits.detach(), rtol=1e-9, atol=1e-9)
        slopes = {k: p.grad for k, p in net.named_parameters()}
        x0 = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), variables)
        slopes = {k: v.numpy() for k, v in slopes.items()}
        expected = zoo.convert.assign(slopes, x0, bert.RULES)
    expected = flat(expected)
    for name, a in flat(grads).items():
        b = expected.pop(name)
        scale = np.abs(b).max()
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9 * scale, err_msg=name)
    assert not expected
