import pathlib

from spack.package import *


class Lpl(CMakePackage, CudaPackage):
    """Parallel simulator of spiking networks and trainer of deep ones that learn by latent predictive learning."""

    # The clone that this recipe lies in.
    git = pathlib.Path(__file__).resolve().parents[4].as_uri()
    license("MIT")

    version("main", branch="main")

    variant("spiking", default=True, description="lpl_sim, the spiking simulator")
    variant("rate", default=True, description="lpl_rate, the trainer of deep networks")
    conflicts("~spiking~rate", msg="nothing is left to build")
    conflicts("+cuda~rate", msg="CUDA is a backend of lpl_rate")

    depends_on("c", type="build")
    depends_on("cxx", type="build")
    depends_on("cmake@3.22:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("git", type="build")
    depends_on("mpi")
    depends_on("boost@1.70: +mpi+serialization")
    depends_on("hdf5@1.10: +mpi")
    depends_on("fmt")
    depends_on("highway")
    depends_on("cli11", type="build")
    depends_on("random123", type="build")
    depends_on("tomlplusplus", type="build")
    depends_on("googletest +gmock", type="test")
    depends_on("python", type=("build", "run"))
    for package in ("numpy", "scipy", "h5py", "scikit-learn", "matplotlib"):
        depends_on(f"py-{package}", type="run")
    with when("+rate"):
        depends_on("onednn")
        depends_on("eigen@3.4:", type="build")
        depends_on("nlohmann-json@3.11:", type="build")
        depends_on("libpng")
        depends_on("libjpeg-turbo")
        depends_on("zlib-api")
    with when("+cuda"):
        depends_on("cudnn@9:")
        depends_on("nccl")

    generator("ninja")

    def cmake_args(self):
        arguments = [self.define("LPL_TESTS", self.run_tests)]
        arguments += [self.define_from_variant(f"LPL_{name.upper()}", name) for name in ("spiking", "rate", "cuda")]
        if self.spec.satisfies("+cuda") and self.spec.variants["cuda_arch"].value != ("none",):
            arguments.append(self.define("CMAKE_CUDA_ARCHITECTURES", self.spec.variants["cuda_arch"].value))
        return arguments
