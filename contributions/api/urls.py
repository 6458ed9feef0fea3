from django.urls import path

from contributions.api import datasets, experts, priorities, uploads

VERSION = "dataset-versions/<int:pk>/"

urlpatterns = [
    path("priorities/", priorities.Priorities.as_view(), name="priorities"),
    path("priorities/<int:pk>/", priorities.OnePriority.as_view(), name="priority"),
    path("priorities/<int:pk>/probes/", priorities.Probes.as_view(), name="probes"),
    path("datasets/", datasets.Datasets.as_view(), name="datasets"),
    path("datasets/<int:pk>/", datasets.OneDataset.as_view(), name="dataset"),
    path("datasets/<int:pk>/card/", datasets.Card.as_view(), name="dataset_card"),
    path("datasets/<int:pk>/publish/", datasets.Publish.as_view(), name="dataset_publish"),
    path("datasets/<int:pk>/versions/", datasets.Versions.as_view(), name="versions"),
    path(
        "datasets/<int:pk>/withdraw/", datasets.WithdrawDataset.as_view(), name="dataset_withdraw"
    ),
    path(VERSION, datasets.OneVersion.as_view(), name="version"),
    path(f"{VERSION}file/", datasets.File.as_view(), name="version_file"),
    path(f"{VERSION}rows/", datasets.PreviewRows.as_view(), name="version_preview"),
    path(f"{VERSION}rows/file/", datasets.RowsFile.as_view(), name="version_rows"),
    path(f"{VERSION}report/", datasets.VersionReport.as_view(), name="version_report"),
    path(f"{VERSION}check/", datasets.Recheck.as_view(), name="version_recheck"),
    path(f"{VERSION}columns/", datasets.Columns.as_view(), name="version_columns"),
    path(f"{VERSION}acknowledge/", datasets.Acknowledge.as_view(), name="version_acknowledge"),
    path(f"{VERSION}mask/", datasets.Mask.as_view(), name="version_mask"),
    path(f"{VERSION}withdraw/", datasets.WithdrawVersion.as_view(), name="version_withdraw"),
    path("uploads/", uploads.Uploads.as_view(), name="uploads"),
    path("uploads/<int:pk>/", uploads.OneUpload.as_view(), name="upload"),
    path("uploads/<int:pk>/finish/", uploads.FinishUpload.as_view(), name="upload_finish"),
    path("experts/", experts.Experts.as_view(), name="experts"),
    path("experts/bring/", experts.Bring.as_view(), name="expert_bring"),
    path("experts/<int:pk>/", experts.OneExpert.as_view(), name="expert"),
    path("experts/<int:pk>/withdraw/", experts.Withdraw.as_view(), name="expert_withdraw"),
    path("experts/<int:pk>/resubmit/", experts.Resubmit.as_view(), name="expert_resubmit"),
    path("experts/<int:pk>/bring-again/", experts.BringAgain.as_view(), name="expert_bring_again"),
]
