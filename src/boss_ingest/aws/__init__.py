"""SQS and S3, as far as a job needs them: signed requests over HTTP."""
