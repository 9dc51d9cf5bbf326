// Stands before OpenCV's own umbrella header, which includes modules that FFCV never calls.
#pragma once
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
