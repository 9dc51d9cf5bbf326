// What FFCV's C++ half names of OpenCV. Its `resize` says what is missing; all else of it is as ever.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#define CV_8UC3 0

namespace cv {

enum Interpolation { INTER_AREA };

struct Size {};

struct Mat {
    Mat(int64_t, int64_t, int, uint8_t *) {}
    Mat colRange(int64_t, int64_t) const { return *this; }
    Mat rowRange(int64_t, int64_t) const { return *this; }
    Size size() const { return {}; }
};

// Compiled code calls it through ctypes, and an exception would not get through that.
[[noreturn]] inline void resize(const Mat &, const Mat &, Size, double, double, Interpolation) {
    std::fputs("FFCV was built without OpenCV here and cannot resize: install libopencv-imgproc-dev, and FFCV again\n",
               stderr);
    std::abort();
}

}  // namespace cv
