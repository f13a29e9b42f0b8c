"""Reports: one self-contained HTML page a folder, in English and Chinese, that opens anywhere and needs nothing from the network."""

from zhixing.evaluate.report.answers import write_answers_report
from zhixing.evaluate.report.classification import write_classification_report
from zhixing.evaluate.report.classifier_ladder import write_rungs_report
from zhixing.evaluate.report.data import write_data_report
from zhixing.evaluate.report.evaluation import write_evaluation_report
from zhixing.evaluate.report.labelled import write_labelled_report
from zhixing.evaluate.report.ladder import write_ladder_report
from zhixing.evaluate.report.pairs import write_pairs_report
from zhixing.evaluate.report.questions import write_questions_report
from zhixing.evaluate.report.run import write_run_report
from zhixing.evaluate.report.score import write_score_report
from zhixing.evaluate.report.statistics import write_statistics_report
from zhixing.evaluate.report.trained import write_classifier_report, write_reader_report
from zhixing.evaluate.report.translations import write_translations_report
from zhixing.evaluate.report.vectors import write_vectors_report

__all__ = [
    "write_answers_report",
    "write_classification_report",
    "write_classifier_report",
    "write_data_report",
    "write_evaluation_report",
    "write_labelled_report",
    "write_ladder_report",
    "write_pairs_report",
    "write_questions_report",
    "write_reader_report",
    "write_run_report",
    "write_rungs_report",
    "write_score_report",
    "write_statistics_report",
    "write_translations_report",
    "write_vectors_report",
]
