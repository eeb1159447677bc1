#include "CMappedWindows.h"
