"""Region and base URLs, from the queue's URL and the environment."""

from __future__ import annotations

import pytest

from boss_ingest.aws.endpoints import Endpoints
from boss_ingest.errors import UsageError

AWS_QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/production-boss-upload-1"


@pytest.mark.parametrize(
    ("url", "region", "domain"),
    [
        (AWS_QUEUE, "eu-west-1", "amazonaws.com"),
        ("https://us-west-2.queue.amazonaws.com/123456789012/q", "us-west-2", "amazonaws.com"),
        ("https://queue.amazonaws.com/123456789012/q", "us-east-1", "amazonaws.com"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q", "cn-north-1", "amazonaws.com.cn"),
    ],
)
def test_an_amazon_queue_names_its_region_and_with_it_the_endpoints(
    url: str, region: str, domain: str
) -> None:
    expected = Endpoints(region, f"https://sqs.{region}.{domain}", f"https://s3.{region}.{domain}")
    assert Endpoints.find(url, env={}) == expected


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/1/q", "https://sqs.eu-west-1.amazonaws.com.evil.example/1/q"]
)
def test_any_other_queue_has_its_bucket_beside_it(url: str) -> None:
    origin = url.removesuffix("/1/q")
    assert Endpoints.find(url, env={}) == Endpoints("us-east-1", origin, origin)


@pytest.mark.parametrize(
    ("env", "given", "region"),
    [
        ({"AWS_REGION": "a-1", "AWS_DEFAULT_REGION": "b-1"}, None, "a-1"),
        ({"AWS_DEFAULT_REGION": "b-1"}, None, "b-1"),
        ({"AWS_REGION": "a-1"}, "c-1", "c-1"),
    ],
)
def test_the_environment_names_the_region_when_the_queue_does_not(
    env: dict[str, str], given: str | None, region: str
) -> None:
    assert Endpoints.find("http://127.0.0.1:1/1/q", env=env, region=given).region == region


def test_the_queues_own_region_wins_over_the_environment() -> None:
    assert Endpoints.find(AWS_QUEUE, env={"AWS_REGION": "a-1"}).region == "eu-west-1"


def test_endpoints_of_the_environment_win_the_narrower_first() -> None:
    env = {"AWS_ENDPOINT_URL": "https://both:1", "AWS_ENDPOINT_URL_S3": "https://s3:2/"}
    assert Endpoints.find(AWS_QUEUE, env=env) == Endpoints("eu-west-1", "https://both:1", "https://s3:2")


@pytest.mark.parametrize("service", ["S3", "SQS"])
def test_only_this_machine_is_spoken_to_in_the_clear_unless_it_is_asked_for(service: str) -> None:
    env = {f"AWS_ENDPOINT_URL_{service}": "http://user:pass@minio.lab:9000"}
    with pytest.raises(UsageError, match=rf"{service} at http://minio\.lab:9000") as caught:
        Endpoints.find(AWS_QUEUE, env=env)
    assert "--allow-http" in caught.value.hint
    assert Endpoints.find(AWS_QUEUE, env=env, allow_http=True).region == "eu-west-1"
    with pytest.raises(UsageError, match=r"SQS at http://boss\.lab"):
        Endpoints.find("http://boss.lab/1/q", env={})
    assert Endpoints.find("http://[::1]:8123/1/q", env={}).s3_url == "http://[::1]:8123"


@pytest.mark.parametrize(
    "url", ["localhost:9000", "ftp://host", "http://", "http://host:port", "http://[::1"]
)
def test_what_is_no_url_is_named(url: str) -> None:
    with pytest.raises(UsageError, match="AWS_ENDPOINT_URL_S3"):
        Endpoints.find(AWS_QUEUE, env={"AWS_ENDPOINT_URL_S3": url})
    with pytest.raises(UsageError, match="upload queue"):
        Endpoints.find(url, env={})
