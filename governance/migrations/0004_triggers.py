from django.db import migrations

from governance import triggers


def install(apps, schema_editor):
    triggers.install(schema_editor.connection)


def remove(apps, schema_editor):
    triggers.remove(schema_editor.connection)


class Migration(migrations.Migration):

    dependencies = [
        ('governance', '0003_ballot_box'),
    ]

    operations = [
        migrations.RunPython(install, remove),
    ]
