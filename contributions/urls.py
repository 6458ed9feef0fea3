from django.urls import path

from contributions.views import datasets, experts, priorities, uploads, versions

app_name = "contributions"
urlpatterns = [
    path("priorities/", priorities.priority_list, name="priority_list"),
    path("priorities/new/", priorities.priority_new, name="priority_new"),
    path("priorities/<int:pk>/", priorities.priority_detail, name="priority_detail"),
    path("priorities/<int:pk>/retire/", priorities.priority_retire, name="priority_retire"),
    path("datasets/", datasets.dataset_list, name="dataset_list"),
    path("datasets/new/", datasets.dataset_new, name="dataset_new"),
    path("datasets/<int:pk>/", datasets.dataset_detail, name="dataset_detail"),
    path("datasets/<int:pk>/card/", datasets.dataset_card, name="dataset_card"),
    path(
        "datasets/<int:pk>/versions/new/",
        datasets.dataset_version_new,
        name="dataset_version_new",
    ),
    path("datasets/<int:pk>/publish/", datasets.dataset_publish, name="dataset_publish"),
    path("datasets/versions/<int:pk>/", versions.version_detail, name="version_detail"),
    path("datasets/versions/<int:pk>/check/", versions.version_recheck, name="version_recheck"),
    path("uploads/", uploads.upload_list, name="upload_list"),
    path("uploads/<int:pk>/", uploads.upload_detail, name="upload_detail"),
    path("uploads/<int:pk>/delete/", uploads.upload_delete, name="upload_delete"),
    path("api/uploads/", uploads.api_uploads, name="api_uploads"),
    path("api/uploads/<int:pk>/", uploads.api_upload, name="api_upload"),
    path("api/uploads/<int:pk>/finish/", uploads.api_upload_finish, name="api_upload_finish"),
    path("experts/", experts.expert_list, name="expert_list"),
    path("experts/new/", experts.expert_new, name="expert_new"),
    path("experts/<int:pk>/", experts.expert_detail, name="expert_detail"),
    path("experts/<int:pk>/approve/", experts.expert_approve, name="expert_approve"),
    path("experts/<int:pk>/return/", experts.expert_return, name="expert_return"),
    path("experts/<int:pk>/withdraw/", experts.expert_withdraw, name="expert_withdraw"),
    path("experts/<int:pk>/resubmit/", experts.expert_resubmit, name="expert_resubmit"),
]
