import itertools

import torch

from zhixing.models import BagSettings, build


@torch.no_grad()
def test_a_text_is_the_mean_of_its_tokens_and_n_grams():
    """By hand: pooled by its mean, twice the mean of the vectors of the tokens and of the bigrams, whose buckets are by their hash."""
    torch.manual_seed(0)
    encoder = build(BagSettings(width=4, ngrams=2, buckets=11), 20, "encoder").encoder.eval()
    encoder.grams.weight.normal_()
    row = [3, 7, 7, 1]
    vectors = [encoder.embedding.weight[one] for one in row]
    vectors += [encoder.grams.weight[(second * 1_000_003 + first + 1) % (2**31 - 1) % 11] for first, second in itertools.pairwise(row)]
    found = encoder(torch.tensor([row])).mean(1)[0]
    torch.testing.assert_close(found, 2 * torch.stack(vectors).sum(0) / len(row))


@torch.no_grad()
def test_order_matters_only_to_n_grams():
    torch.manual_seed(0)
    for ngrams in (1, 2):
        encoder = build(BagSettings(width=4, ngrams=ngrams), 20, "encoder").encoder.eval()
        encoder.grams.weight.normal_()
        one, other = (encoder(torch.tensor([row])).mean(1) for row in ([1, 2, 3, 4], [4, 2, 1, 3]))
        assert torch.allclose(one, other, atol=1e-6) == (ngrams == 1)
