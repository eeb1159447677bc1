#ifndef CMappedWindows_H
#define CMappedWindows_H
#endif
