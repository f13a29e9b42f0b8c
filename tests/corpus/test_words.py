import rjieba

from zhixing.corpus.words import LONGEST, WordSettings, sentences


def cut(text, **settings):
    return list(sentences(text, WordSettings(**settings)))


def test_sentences_of_english():
    assert cut('He said "Go!" and went. It is 3.14... Wrapped\nlines go on\n \nA heading\n\n\nIsn\'t it well-known?!') == [
        ["he", "said", "go"],
        ["and", "went"],
        ["it", "is"],
        ["wrapped", "lines", "go", "on"],
        ["a", "heading"],
        ["isn't", "it", "well-known"],
    ]


def test_sentences_of_chinese_and_of_both():
    text = "知行合一，\n止于至善。他说：“好！”\n标题\n用 Python 写的naïve程序\n"
    assert cut(text, chinese="characters") == [
        list("知行合一止于至善"),
        list("他说好"),
        list("标题"),
        ["用", "python", "写", "的", "naïve", "程", "序"],
    ]
    assert cut(text)[0] == [*rjieba.cut("知行合一"), *rjieba.cut("止于至善")]
    assert cut("中华人民共和国万岁") == [list(rjieba.cut("中华人民共和国万岁"))]
    assert cut("𠀀𠀁 isn’t ３．１４ _x_", chinese="characters") == [["𠀀", "𠀁", "isn’t", "x"]]


def test_the_same_words_with_and_without_a_foreign_letter():
    text = "Don't stop. A well-known fact\n\nNext; one, two: 3 four.\n"
    assert cut(text + "é") == [*cut(text), ["é"]]


def test_capitals_stay_where_that_is_set():
    assert cut("The THE the", lower=False) == [["The", "THE", "the"]]


def test_nothing_gives_no_sentence_and_much_without_an_end_gives_several():
    assert cut("") == cut(" \n\n 1234 !? 。。") == []
    assert [len(s) for s in cut("word " * (2 * LONGEST + 1))] == [LONGEST, LONGEST, 1]
