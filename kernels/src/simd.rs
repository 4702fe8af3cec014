//! One vector type a machine, chosen at run time: AVX-512, AVX2 with FMA, NEON, or plain arrays.
//!
//! Kernels are written once over [`Simd`] and compiled for each instruction set by [`run`].

/// A vector of `f32` in registers.
///
/// # Safety
/// The functions may only be called where the instruction set is available, which [`run`] sees to; `load` and
/// `store` touch `LANES` values at an address of any alignment, which must be inside one allocation.
pub(crate) unsafe trait Simd: Copy {
    /// The vector register.
    type V: Copy;
    /// Values in one register.
    const LANES: usize;
    /// Whether there are 32 registers (room for a tile of 8 by 3) or only 16 (4 by 3).
    const WIDE: bool;
    /// All lanes equal to `value`.
    unsafe fn splat(value: f32) -> Self::V;
    /// Reads `LANES` values.
    unsafe fn load(from: *const f32) -> Self::V;
    /// Writes `LANES` values.
    unsafe fn store(to: *mut f32, v: Self::V);
    /// `a * b + c`.
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Sum of all lanes.
    unsafe fn sum(v: Self::V) -> f32;
}

/// A computation that can be compiled for any vector type; `run` must be `#[inline(always)]`.
pub(crate) trait Kernel {
    /// The computation over the vector type `S`.
    fn run<S: Simd>(self);
}

/// Vectors as arrays, which the compiler may or may not turn into registers: any machine, and the reference.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

// SAFETY: plain Rust, valid on every machine; loads and stores touch exactly LANES values.
unsafe impl Simd for Portable {
    type V = [f32; 8];
    const LANES: usize = 8;
    const WIDE: bool = false;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        [value; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller gives LANES readable values.
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        // SAFETY: the caller gives LANES writable values.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::V, b: Self::V, mut c: Self::V) -> Self::V {
        for i in 0..8 {
            c[i] += a[i] * b[i];
        }
        c
    }
    #[inline(always)]
    unsafe fn sum(v: Self::V) -> f32 {
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub(crate) struct Avx512;

    // SAFETY: only instantiated below `run`, after AVX-512F was detected.
    unsafe impl super::Simd for Avx512 {
        type V = __m512;
        const LANES: usize = 16;
        const WIDE: bool = true;
        #[inline(always)]
        unsafe fn splat(value: f32) -> __m512 {
            // SAFETY: AVX-512F is there.
            unsafe { _mm512_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m512 {
            // SAFETY: the caller gives LANES readable values; a full mask makes it a plain load, and spares
            // the pointer checks of builds with debug assertions.
            unsafe { _mm512_maskz_loadu_ps(!0, from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: __m512) {
            // SAFETY: the caller gives LANES writable values.
            unsafe { _mm512_mask_storeu_ps(to, !0, v) }
        }
        #[inline(always)]
        unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
            // SAFETY: AVX-512F is there.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn sum(v: __m512) -> f32 {
            // SAFETY: AVX-512F is there.
            unsafe { _mm512_reduce_add_ps(v) }
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Avx2;

    // SAFETY: only instantiated below `run`, after AVX2 and FMA were detected.
    unsafe impl super::Simd for Avx2 {
        type V = __m256;
        const LANES: usize = 8;
        const WIDE: bool = false;
        #[inline(always)]
        unsafe fn splat(value: f32) -> __m256 {
            // SAFETY: AVX is there.
            unsafe { _mm256_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m256 {
            // SAFETY: the caller gives LANES readable values.
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: __m256) {
            // SAFETY: the caller gives LANES writable values.
            unsafe { _mm256_storeu_ps(to, v) }
        }
        #[inline(always)]
        unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
            // SAFETY: FMA is there.
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn sum(v: __m256) -> f32 {
            let mut lanes = [0.0; 8];
            // SAFETY: AVX is there and `lanes` holds 8 values.
            unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), v) };
            let [a, b, c, d, e, f, g, h] = lanes;
            ((a + e) + (c + g)) + ((b + f) + (d + h))
        }
    }

    #[target_feature(enable = "avx512f")]
    pub(crate) unsafe fn run_avx512<K: super::Kernel>(kernel: K) {
        kernel.run::<Avx512>();
    }

    #[target_feature(enable = "avx2,fma")]
    pub(crate) unsafe fn run_avx2<K: super::Kernel>(kernel: K) {
        kernel.run::<Avx2>();
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;

    #[derive(Clone, Copy)]
    pub(crate) struct Neon;

    // SAFETY: NEON is part of every AArch64 processor.
    unsafe impl super::Simd for Neon {
        type V = float32x4_t;
        const LANES: usize = 4;
        const WIDE: bool = true;
        #[inline(always)]
        unsafe fn splat(value: f32) -> float32x4_t {
            // SAFETY: NEON is there.
            unsafe { vdupq_n_f32(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> float32x4_t {
            // SAFETY: the caller gives LANES readable values.
            unsafe { vld1q_f32(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: float32x4_t) {
            // SAFETY: the caller gives LANES writable values.
            unsafe { vst1q_f32(to, v) }
        }
        #[inline(always)]
        unsafe fn mul_add(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
            // SAFETY: NEON is there.
            unsafe { vfmaq_f32(c, a, b) }
        }
        #[inline(always)]
        unsafe fn sum(v: float32x4_t) -> f32 {
            // SAFETY: NEON is there.
            unsafe { vaddvq_f32(v) }
        }
    }
}

/// The instruction sets a kernel can be compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Plain Rust.
    Portable,
    /// 256-bit vectors with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 128-bit vectors of AArch64.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Level {
    /// Every level this machine can run, best first.
    pub(crate) fn available() -> Vec<Level> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                levels.push(Level::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                levels.push(Level::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        levels.push(Level::Neon);
        levels.push(Level::Portable);
        levels
    }

    /// The best level of this machine.
    pub(crate) fn best() -> Level {
        static BEST: std::sync::OnceLock<Level> = std::sync::OnceLock::new();
        *BEST.get_or_init(|| Level::available()[0])
    }

    /// Whether this level has room for tiles of 8 output channels.
    pub(crate) fn is_wide(self) -> bool {
        match self {
            Level::Portable => Portable::WIDE,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => x86::Avx2::WIDE,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => x86::Avx512::WIDE,
            #[cfg(target_arch = "aarch64")]
            Level::Neon => arm::Neon::WIDE,
        }
    }
}

/// Runs `kernel` compiled for `level`, which must be one of [`Level::available`].
#[inline]
pub(crate) fn run<K: Kernel>(level: Level, kernel: K) {
    match level {
        Level::Portable => kernel.run::<Portable>(),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: levels come from `available`, which asked the processor.
        Level::Avx2 => unsafe { x86::run_avx2(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: levels come from `available`, which asked the processor.
        Level::Avx512 => unsafe { x86::run_avx512(kernel) },
        #[cfg(target_arch = "aarch64")]
        Level::Neon => kernel.run::<arm::Neon>(),
    }
}
