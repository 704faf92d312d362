"""SQS and S3, through aiobotocore: the only part that knows botocore."""
