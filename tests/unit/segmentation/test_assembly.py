from fovea.kernel.v1 import image_pb2
from fovea.segmentation.v1 import segmentation_pb2 as pb
from fovea.segmentation.v1 import segmentation_pb2_grpc
from services.segmentation.assembly import assemble
from tests.fakes.serving import served


def test_it_answers_calls_with_its_version_in_the_record() -> None:
    (servicer,) = assemble(version="1.2").servicers
    image = image_pb2.ImageReference(width_px=80, height_px=60)

    with served(servicer) as channel:
        stub = segmentation_pb2_grpc.SegmentationServiceStub(channel)
        answer = stub.ProposeRegions(pb.ProposeRegionsRequest(image=image), timeout=10.0)

    assert answer.stage.version == "1.2"


def test_it_handles_submitted_images() -> None:
    (subscription,) = assemble(version="1.2").subscriptions

    assert (subscription.topic, subscription.group) == ("images.submitted", "segmentation")
