from django.urls import path

from training_workers.openai_api import views as openai_api
from training_workers.views import desk, jobs, operations, releases, talk

app_name = "training_workers"
urlpatterns = [
    path("jobs/<int:pk>/", jobs.job_detail, name="job_detail"),
    path("jobs/<int:pk>/panel/", jobs.job_panel, name="job_panel"),
    path("jobs/<int:pk>/cancel/", jobs.job_cancel, name="job_cancel"),
    path("jobs/<int:pk>/prioritise/", jobs.job_prioritise, name="job_prioritise"),
    path("experts/<int:pk>/training/", jobs.expert_training, name="expert_training"),
    path("releases/", releases.release_list, name="release_list"),
    path("releases/<int:number>/", releases.release_detail, name="release_detail"),
    path("releases/<int:number>/download/", releases.release_download, name="release_download"),
    path("releases/<int:number>/retry/", releases.release_retry, name="release_retry"),
    path("releases/<int:number>/roll-back/", releases.release_roll_back, name="release_roll_back"),
    path("talk/", talk.talk, name="talk"),
    path("desk/", desk.desk, name="desk"),
    path("operations/", operations.operations, name="operations"),
    path("v1/models", openai_api.models, name="v1_models"),
    path("v1/models/<path:name>", openai_api.model, name="v1_model"),
    path("v1/completions", openai_api.completions, name="v1_completions"),
    path("v1/chat/completions", openai_api.chat_completions, name="v1_chat_completions"),
    path("v1/<path:rest>", openai_api.unknown, name="v1_unknown"),
]
