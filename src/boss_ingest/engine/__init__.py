"""The pipeline and the life of a job: create, join, upload, complete."""
